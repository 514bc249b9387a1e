"""A settlement deployment with keys from fixed seeds, and the structures that are sent to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from web3.contract import Contract
from web3.contract.contract import ContractFunction, ContractFunctions

from fabric.core.ids import (
    Account,
    BindingVersion,
    Digest,
    FabricId,
    InvocationId,
    Measurement,
    intent_id,
    method_word,
    sha256,
)
from fabric.trust import eip712
from fabric.trust.attestation import (
    Assurance,
    AttestationResult,
    KeyState,
    KeyStatus,
    destinations_digest,
)
from fabric.trust.batch import Header, header_of, tree_of
from fabric.trust.destination import Destination
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from tests.integration.ethereum_contracts.chain import Chain, Sent
from tests.support.rules_builder import party

Field = Any
"""What a test puts into a field of a structure; mypy cannot tie a keyword to its field here."""
APPRAISERS: Final = ("appraiser-0", "appraiser-1", "appraiser-2")
QUORUM: Final = ("appraiser-0", "appraiser-2")
ENCLAVE: Final = "enclave-0"
SALT: Final = bytes(sha256(b"salt"))
MEASUREMENT: Final = Measurement(sha256(b"measurement"))
BINDING: Final = BindingVersion(sha256(b"binding"))
CALLER: Final = Account(sha256(b"caller"))
YEAR: Final = 366 * 86_400
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1 (SEC 2)."""


def account(address: str) -> Account:
    """Returns an address as an account word."""
    return Account(bytes.fromhex(address[2:]).rjust(32, b"\0"))


def addresses(names: Sequence[str]) -> list[bytes]:
    """Returns the parties' addresses as a constructor takes them."""
    return sorted(party(name).public.address for name in names)


def signed(digest: bytes, names: Sequence[str]) -> list[bytes]:
    """Returns the parties' signatures in ascending order of their addresses."""
    ordered = sorted((party(name) for name in names), key=lambda one: one.public.address)
    return [one.sign_digest(digest) for one in ordered]


def malleated(signature: bytes) -> bytes:
    """Returns the other signature of the same key over the same digest, which EIP-2 rules out."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([27 + 28 - signature[64]])


@dataclass(frozen=True)
class World:
    """A deployed settlement contract and what Python says that it is."""

    chain: Chain
    contract: Contract
    destination: Destination

    @classmethod
    def deploy(cls, chain: Chain, appraisers: Sequence[str] = APPRAISERS, threshold: int = 2) -> "World":
        arguments = (addresses(appraisers), threshold, chain.genesis, SALT)
        contract = chain.deploy("Settlement", *arguments)
        chain_word = chain.web3.eth.chain_id.to_bytes(32, "big")
        words = (chain_word, chain.genesis, account(contract.address), SALT)
        return cls(chain, contract, Destination("ethereum", *words))

    @property
    def functions(self) -> ContractFunctions:
        return self.contract.functions

    def result(self, keys: str = ENCLAVE, **changes: Field) -> AttestationResult:
        """Returns an attestation result that is valid now, for a year."""
        result = AttestationResult(
            keys=party(keys).public,
            fabric=Measurement(sha256(b"fabric")),
            isolation="namespaces",
            assurance=Assurance.SOFTWARE,
            epoch=1,
            not_before=self.chain.time,
            not_after=self.chain.time + YEAR,
            destinations=destinations_digest([self.destination.id]),
            evidence=Digest(sha256(b"evidence")),
        )
        return replace(result, **changes)

    def registration(self, result: AttestationResult, signers: Sequence[str] = QUORUM) -> ContractFunction:
        signatures = signed(result.typed_digest, signers)
        return self.functions.register(result.encoded, [self.destination.id], signatures)

    def register(self, keys: str = ENCLAVE, **changes: Field) -> AttestationResult:
        result = self.result(keys, **changes)
        self.chain.send(self.registration(result))
        return result

    def status(self, keys: str, state: KeyState, deadline: int = 0) -> ContractFunction:
        status = KeyStatus(party(keys).public, state, deadline)
        return self.functions.setKeyStatus(status.encoded, signed(status.typed_digest, QUORUM))

    def revocation(self, measurement: Measurement, since: int) -> ContractFunction:
        revocation = CodeRevocation(measurement, since)
        return self.functions.revokeCode(revocation.encoded, signed(revocation.typed_digest, QUORUM))

    def settlement(self, header: Header, by: str = ENCLAVE) -> ContractFunction:
        digest = eip712.header_digest(header, self.destination)
        return self.functions.settle(header.encoded, party(by).sign_digest(digest))

    def anchor(self, records: Sequence[Record]) -> Header:
        """Settles a batch of records."""
        header = header_of(records, 1)
        self.chain.send(self.settlement(header))
        return header

    def record(self, name: str, recipient: str, /, **changes: Field) -> Record:
        """Returns a record as an enclave of this destination makes it; the intent follows the invocation."""
        invocation = changes.get("invocation", InvocationId(sha256(f"invocation {name}".encode())))
        record = Record(
            fabric=FabricId(sha256(b"fabric id")),
            destination=self.destination.id,
            recipient=account(recipient),
            measurement=MEASUREMENT,
            binding=BINDING,
            method=method_word("poke"),
            caller=CALLER,
            invocation=invocation,
            intent=intent_id(invocation, self.destination.id),
            input=sha256(f"input {name}".encode()),
            output=sha256(f"output {name}".encode()),
            payload=sha256(payload_of(name)),
            statement=sha256(f"statement {name}".encode()),
            state_version=0,
            as_of=self.chain.time,
            not_after=self.chain.time + YEAR,
        )
        return replace(record, **changes)

    def consumption(self, records: Sequence[Record], index: int, **changes: Field) -> ContractFunction:
        """Returns the direct consumption of a record by its recipient."""
        return self.functions.consume(*inclusion(records, index, **changes).values())


def payload_of(name: str) -> bytes:
    """Returns the payload that ``World.record`` names."""
    return f"payload {name}".encode()


def inclusion(records: Sequence[Record], index: int, **changes: Field) -> dict[str, Any]:
    """Returns record, batch id, index and path, any of them replaced; the order is that of the contract."""
    values = {
        "record": records[index].encoded,
        "batch": header_of(records, 1).batch_id,
        "index": index,
        "path": tree_of(records).inclusion(index),
    }
    return values | changes


@dataclass(frozen=True)
class Cryptlet:
    """A contract built on ``ContractCryptlet``, bound."""

    world: World
    contract: Contract

    @classmethod
    def deploy(cls, world: World, name: str = "test/Probe", caller: bytes = CALLER) -> "Cryptlet":
        arguments = (world.contract.address, MEASUREMENT, caller)
        contract = world.chain.deploy(name, *arguments)
        world.chain.send(contract.functions.bind(BINDING))
        return cls(world, contract)

    @property
    def functions(self) -> ContractFunctions:
        return self.contract.functions

    def record(self, name: str, /, **changes: Field) -> Record:
        return self.world.record(name, self.contract.address, **changes)

    def ask(self, name: str) -> Record:
        """Asks for an invocation and returns the record that answers it."""
        method, asked = method_word("poke"), sha256(f"input {name}".encode())
        sent = self.world.chain.send(self.functions.ask(method, asked))
        return self.answer(name, sent)

    def answer(self, name: str, sent: Sent, **changes: Field) -> Record:
        """Returns the record that answers the request in a transaction."""
        requested = dict(sent.events)["Requested"]
        fields = {
            "caller": account(self.contract.address),
            "invocation": requested["invocation"],
            "method": requested["method"],
            "input": requested["input"],
            "state_version": requested["stateVersion"],
        }
        return self.record(name, **(fields | changes))

    def consumption(self, records: Sequence[Record], index: int, payload: bytes, **changes: Field) -> ContractFunction:
        values = inclusion(records, index, **changes)
        record = values.pop("record")
        return self.functions.consume(record, payload, *values.values())
