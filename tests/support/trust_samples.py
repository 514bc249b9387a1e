"""Sample structures, every field of them derived from a label."""

from collections.abc import Sequence

from fabric.core.ids import (
    Account,
    BindingVersion,
    DestinationId,
    Digest,
    FabricId,
    InvocationId,
    Measurement,
    intent_id,
    method_word,
    sha256,
)
from fabric.trust.attestation import Assurance, AttestationResult, KeySet, destinations_digest
from fabric.trust.message import Channel, End, Message, Shown
from fabric.trust.record import Record

AS_OF = 1_800_000_000


def word(label: str) -> Digest:
    """Returns a word by a label."""
    return sha256(f"cryptlet-fabric/sample/{label}".encode())


def sample_record(
    name: str,
    destination: DestinationId,
    recipient: Account = Account(word("recipient")),  # noqa: B008 - a constant
    not_after: int = AS_OF + 3600,
) -> Record:
    """Returns a record in which every field is another."""
    invocation = InvocationId(word(f"invocation {name}"))
    return Record(
        fabric=FabricId(word("fabric")),
        destination=destination,
        recipient=recipient,
        measurement=Measurement(word("measurement")),
        binding=BindingVersion(word("binding")),
        method=method_word("judge"),
        caller=Account(word("caller")),
        invocation=invocation,
        intent=intent_id(invocation, destination),
        input=word(f"input {name}"),
        output=word(f"output {name}"),
        payload=word(f"payload {name}"),
        statement=word(f"statement {name}"),
        state_version=3,
        as_of=AS_OF,
        not_after=not_after,
    )


def sample_result(
    keys: KeySet, destinations: Sequence[DestinationId], not_before: int, not_after: int
) -> AttestationResult:
    """Returns an attestation result of epoch 1."""
    return AttestationResult(
        keys=keys,
        fabric=Measurement(word("fabric measurement")),
        isolation="sample",
        assurance=Assurance.SOFTWARE,
        epoch=1,
        not_before=not_before,
        not_after=not_after,
        destinations=destinations_digest(destinations),
        evidence=word("evidence"),
    )


def sample_channel() -> Channel:
    """Returns the channel between the sample accounts of two sample ledgers."""
    return Channel.between(_end("one"), _end("other"), word("channel salt"))


def sample_message(body: bytes, expiry: int = AS_OF + 3600) -> Message:
    """Returns a message over the sample channel, from the end `one` to the end `other`."""
    ledgers = (DestinationId(word("one ledger")), DestinationId(word("other ledger")))
    accounts = (Account(word("one account")), Account(word("other account")))
    return Message(sample_channel().id, *ledgers, *accounts, 5, expiry, sha256(body))


def _end(side: str) -> End:
    destination, account = DestinationId(word(f"{side} ledger")), Account(word(f"{side} account"))
    return End(destination, account, BindingVersion(word(f"{side} binding")), Shown.PROVEN)
