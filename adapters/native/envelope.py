"""Envelope: a call with its sender, as it is submitted and logged.

``consume``, ``request``, ``open_channel`` and ``send`` have a sender: an account, which is the hash of an Ed25519 key;
the key signs the call for this ledger. The other operations carry signatures of their own, or need none, and have none.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol, Self

from fabric.core import canonical
from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.core.ids import (
    NOBODY,
    WORD_BYTES,
    Account,
    DestinationId,
    Digest,
    acknowledgement_id,
    delivery_id,
    expiry_id,
    request_id,
    sha256,
    tag,
)
from fabric.ledger.rules.calls import MAX_CALL_BYTES, call_object, parse_call
from fabric.ledger.rules.operations import (
    Acknowledge,
    AppraiserOperation,
    Consume,
    Deliver,
    Expire,
    MailboxOperation,
    OpenChannel,
    Operation,
    Register,
    Request,
    RevokeCode,
    Send,
    SetKeyStatus,
    Settle,
)
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust import words
from fabric.trust.fields import read_hex, read_integer, read_object
from fabric.trust.schemes import is_ed25519

TAG: Final = tag("cryptlet-fabric/native-call/v1")
SIGNATURE_BYTES: Final = 64
SentOperation = Consume | Request | OpenChannel | Send
"""The operations that have a sender."""
_ACCOUNT_DOMAIN: Final = b"cryptlet-fabric/account/v1\0"
_MAX_BYTES: Final = MAX_CALL_BYTES + 1024


class CallSigner(Protocol):
    """Holds the key of a native account."""

    @property
    def key(self) -> bytes:
        """The public Ed25519 key, 32 bytes."""
        ...

    def sign_call(self, destination: DestinationId, nonce: int, call: Digest) -> bytes:
        """Signs ``call_words(destination, key, nonce, call)``; returns 64 bytes.

        Raises:
            SigningFailed: the holder of the key refused or is gone.
        """
        ...


def account_of(key: bytes) -> Account:
    """Returns the account of an Ed25519 key."""
    return Account(sha256(_ACCOUNT_DOMAIN, key))


def call_words(destination: DestinationId, key: bytes, nonce: int, call: Digest) -> bytes:
    """Returns the five words that a sender signs: tag, destination, key, nonce, SHA-256 of the canonical call."""
    return b"".join((TAG, destination, key, words.uint(nonce), call))


@dataclass(frozen=True)
class Sender:
    """Who sends a call.

    Attributes:
        key: Ed25519 key.
        nonce: of a request, the sender's next nonce; of the others 0, since each takes effect once by itself.
        signature: over ``call_words``.
    """

    key: bytes
    nonce: int
    signature: bytes

    def to_json(self) -> JsonObject:
        """Returns the sender as a JSON object."""
        return {"key": self.key.hex(), "nonce": self.nonce, "signature": self.signature.hex()}


@dataclass(frozen=True)
class Envelope:
    """A call and its sender."""

    operation: Operation
    sender: Sender | None = None

    @cached_property
    def encoded(self) -> bytes:
        """The canonical JSON that is submitted."""
        return canonical.encode(self.fields)

    @property
    def fields(self) -> JsonObject:
        """Call and sender as a JSON object."""
        sender = self.sender.to_json() if self.sender else None
        return {"call": call_object(self.operation), "sender": sender}

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads what ``encoded`` gives; raises ``Malformed`` for anything else."""
        return cls.parse(canonical.decode(data, max_bytes=_MAX_BYTES))

    @classmethod
    def parse(cls, value: JsonValue) -> Self:
        """Reads the object of an envelope; raises ``Malformed``."""
        fields = read_object(value, frozenset({"call", "sender"}), "envelope")
        return cls(parse_call(fields["call"]), _parse_sender(fields["sender"]))

    def account(self, destination: DestinationId) -> Account:
        """Returns the account that sends it, nobody for an operation that has no sender.

        Raises:
            RuleViolation: ``BadSignature``: no sender where there must be one, or the reverse, or a signature that
                does not hold.
        """
        needs_sender = isinstance(self.operation, SentOperation)
        if self.sender is None or not needs_sender:
            if (self.sender is not None) != needs_sender:
                reason = "consume, request, open_channel and send have a sender that signs, the others have none"
                raise RuleViolation(Code.BAD_SIGNATURE, reason)
            return NOBODY
        call = sha256(canonical.encode(call_object(self.operation)))
        message = call_words(destination, self.sender.key, self.sender.nonce, call)
        if not is_ed25519(self.sender.key, self.sender.signature, message):
            raise RuleViolation(Code.BAD_SIGNATURE, f"the call is not signed by {self.sender.key.hex()}")
        return account_of(self.sender.key)

    def work_id(self, destination: DestinationId) -> bytes:
        """Returns the id of the effect it would have: each effect is on the ledger at most once."""
        match self.operation:
            case Register() | SetKeyStatus() | RevokeCode():
                return _appraisers_work_id(self.operation)
            case Settle(header=header):
                return header.batch_id
            case Consume(record=record):
                return record.intent
            case Request(method=method, input=input_, binding=binding):
                key, nonce = (self.sender.key, self.sender.nonce) if self.sender else (b"", 0)
                return request_id(destination, account_of(key), nonce, method, input_, binding)
            case _:
                return mailbox_work_id(self.operation)


def _appraisers_work_id(operation: AppraiserOperation) -> bytes:
    match operation:
        case Register(result=result):
            return result.digest
        case SetKeyStatus(status=status):
            return sha256(status.encoded)
        case RevokeCode(revocation=revocation):
            return revocation.digest


def mailbox_work_id(operation: MailboxOperation) -> bytes:
    """Returns the id of an operation's effect on a mailbox."""
    match operation:
        case OpenChannel(channel=channel):
            return channel.id
        case Send(message=message):
            return message.id
        case Deliver(delivery=delivery):
            return delivery_id(delivery.message.id)
        case Acknowledge(acknowledgement=acknowledgement):
            return acknowledgement_id(acknowledgement.message.id, acknowledgement.ending)
        case Expire(message=message):
            return expiry_id(message.id)


def sign_envelope(operation: SentOperation, destination: DestinationId, nonce: int, signer: CallSigner) -> Envelope:
    """Returns a call with its sender's signature."""
    call = sha256(canonical.encode(call_object(operation)))
    signature = signer.sign_call(destination, nonce, call)
    return Envelope(operation, Sender(signer.key, nonce, signature))


def _parse_sender(value: JsonValue) -> Sender | None:
    if value is None:
        return None
    fields = read_object(value, frozenset({"key", "nonce", "signature"}), "sender")
    return Sender(
        read_hex(fields["key"], "sender.key", WORD_BYTES),
        read_integer(fields["nonce"], "sender.nonce", 0, MAX_INTEGER),
        read_hex(fields["signature"], "sender.signature", SIGNATURE_BYTES),
    )
