"""Whole valid proofs with real keys, for either ledger kind, and the policy that accepts them.

A recipe says what a proof is made of. Whatever is changed in it, everything that depends on it is made and signed
anew, so that exactly one thing is wrong with a proof.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import rlp

from adapters.ethereum import headers
from adapters.ethereum.anchorage import Material
from adapters.ethereum.destination import SETTLED, Ethereum
from adapters.ethereum.headers import BlockHeader
from adapters.ethereum.mpt import Trie, index_key
from adapters.native.destination import Native
from adapters.native.entry import Entry
from adapters.native.envelope import Envelope
from adapters.native.genesis import origin_of
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import PluginError
from fabric.core.ids import (
    Account,
    FabricId,
    InvocationId,
    Measurement,
    caller_account,
    intent_id,
    invocation_id,
    method_word,
    sha256,
)
from fabric.ledger.rules.operations import Settle
from fabric.trust import eip712
from fabric.trust.attestation import Assurance, AttestationResult, destinations_digest
from fabric.trust.batch import Header, header_of, tree_of
from fabric.trust.binding import Binding, write_binding
from fabric.trust.checkpoint import Checkpoint, sign_note
from fabric.trust.destination import Destination
from fabric.trust.kind import DestinationKind, Status
from fabric.trust.merkle import Tree, leaf_hash
from fabric.trust.policy import Accepted, Appraiser, Policy, Publisher
from fabric.trust.proof import Attestation, Proof
from fabric.trust.publication import Publication
from fabric.trust.record import Record
from fabric.trust.schemes import ED25519, Signature
from fabric.trust.standing import Registry, Standing, State, sign_standing
from fabric.trust.statement import Details, write_statement
from tests.support import seals
from tests.support.native import SEQUENCER, genesis
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import sample_record, word

Changes = Mapping[str, object]
Sign = Callable[[bytes, bytes], tuple[Signature, ...]]
"""Signs a structure: its bytes and its EIP-712 digest."""

AS_OF: Final = 1_800_000_000
VALID_SECONDS: Final = 3600
ANCHORED: Final = AS_OF + 60
EPOCH: Final = 3
CALLER: Final = "acme"
FABRIC: Final = FabricId(word("fabric"))
CODE: Final = Measurement(word("fabric measurement"))
ISOLATION: Final = "sample"
RECIPIENT: Final = Account(word("contract")[:20].rjust(32, b"\0"))
INVOCATION: Final = invocation_id(FABRIC, caller_account(CALLER), "shipment 7")
PUBLISHER: Final = SeededKeys("publisher")
REGISTRY: Final = SeededKeys("registry")
ORIGIN: Final = "registry.example/log"
ENCLAVE: Final = SeededKeys("enclave-0")
STRANGER: Final = SeededKeys("stranger")
APPRAISERS: Final = tuple(SeededKeys(f"appraiser-{number}") for number in range(3))

NATIVE: Final = genesis().destination
ETHEREUM: Final = Destination(
    "ethereum", (31337).to_bytes(32, "big"), word("genesis"), word("settlement")[:20].rjust(32, b"\0"), word("salt")
)
CODEC: Final[JsonObject] = {"kind": "abi", "fields": [["accepted", "bool"], ["mean", "int256"]]}


def kinds(kind: str) -> DestinationKind:
    """Returns the real adapter of a kind, as ``fabric.gateway.kinds`` finds it."""
    if kind == "native":
        return Native()
    if kind == "ethereum":
        return Ethereum()
    raise PluginError(f"no plug-in {kind!r}")


def by_publisher(publication: Publication, keys: SeededKeys = PUBLISHER) -> Signature:
    """Signs a publication."""
    return Signature(ED25519, keys.key, keys.sign_message(canonical.encode(publication.fields)))


def by_appraisers(*appraisers: SeededKeys) -> Sign:
    """Returns what signs an attestation result in several names, in the order that a proof needs."""

    def sign(message: bytes, digest: bytes) -> tuple[Signature, ...]:
        signatures = [one for keys in appraisers for one in keys.signatures(message, digest)]
        return tuple(sorted(signatures, key=lambda one: (one.scheme, one.key)))

    return sign


def _output() -> JsonValue:
    return {"accepted": True, "mean": 5123}


@dataclass(frozen=True)
class Recipe:
    """What a proof is made of.

    Attributes:
        destination: the ledger.
        publication: fields of the publication that differ from the usual.
        publish: signs it.
        standing: fields of the standing that differ.
        vouch: the registry's keys.
        binding: fields of the binding that differ.
        route: fields of its only route that differ.
        fields: fields that differ in record and statement alike.
        statement: fields that differ in the statement alone.
        record: fields that differ in the record alone.
        input: the input.
        output: the output.
        payload: the payload, None for what the codec makes.
        header: fields of the header that differ.
        neighbours: records in the batch besides ours.
        sign: signs the header.
        result: fields of the attestation result that differ.
        appraise: signs the result.
        settled: the header that the ledger settled, None for the batch's own.
        anchored: the ledger's time of the anchor.
    """

    destination: Destination = NATIVE
    publication: Changes = field(default_factory=dict)
    publish: Callable[[Publication], Signature] = by_publisher
    standing: Changes = field(default_factory=dict)
    vouch: SeededKeys = REGISTRY
    binding: Changes = field(default_factory=dict)
    route: Changes = field(default_factory=dict)
    fields: Changes = field(default_factory=dict)
    statement: Changes = field(default_factory=dict)
    record: Changes = field(default_factory=dict)
    input: bytes = b'{"file":"shipment.csv"}'
    output: JsonValue = field(default_factory=_output)
    payload: bytes | None = None
    header: Changes = field(default_factory=dict)
    neighbours: int = 2
    sign: Sign = ENCLAVE.signatures
    result: Changes = field(default_factory=dict)
    appraise: Sign = field(default_factory=lambda: by_appraisers(*APPRAISERS[:2]))
    settled: Header | None = None
    anchored: int = ANCHORED

    def make(self) -> Proof:
        """Returns the proof."""
        publication, destination = self._publication(), self.destination
        binding = self._binding(publication)
        payload = self._payload() if self.payload is None else self.payload
        record, statement = self._record(publication, binding, payload)
        others = [sample_record(str(number), destination.id) for number in range(self.neighbours)]
        records = [*others[:1], record, *others[1:]]
        header = replace(header_of(records, EPOCH), **self.header)  # type: ignore[arg-type]
        index = records.index(record)
        settled = self.settled or header
        return Proof(
            record=record,
            statement=statement,
            input=self.input,
            output=self.output,
            payload=payload,
            publication=publication,
            standing=sample_standing(record.measurement, self.vouch, **self.standing),
            binding=binding,
            header=header,
            index=index,
            path=tuple(tree_of(records).inclusion(index)),
            signatures=self.sign(header.encoded, eip712.header_digest(header, destination)),
            destination=destination,
            attestation=self._attestation(),
            receipt=_RECEIPTS[destination.kind](destination, settled, self.anchored),
        )

    def _publication(self) -> Publication:
        unsigned = Publication(
            "cold-chain", "1.0.0", "contract", word("wheel"), word("lock"), Signature(ED25519, b"", b"")
        )
        changed = replace(unsigned, **self.publication)  # type: ignore[arg-type]
        return replace(changed, signature=self.publish(changed))

    def _binding(self, publication: Publication) -> Binding:
        codec: JsonObject = CODEC if self.destination.kind == "ethereum" else {"kind": "json"}
        route: JsonObject = {
            "codec": codec,
            "consume": False,
            "id": self.destination.id.hex(),
            "recipient": RECIPIENT.hex(),
        }
        fields: JsonObject = {
            "callers": [CALLER],
            "cryptlet": "cold-chain@1.0.0",
            "destinations": [route | self.route],  # type: ignore[operator]
            "measurement": publication.measurement.hex(),
            "methods": ["judge"],
            "name": "shipments",
            "requesters": [],
            "valid_seconds": VALID_SECONDS,
        }
        return write_binding(fields | self.binding)  # type: ignore[operator]

    def _payload(self) -> bytes:
        codec: JsonObject = CODEC if self.destination.kind == "ethereum" else {"kind": "json"}
        return kinds("ethereum").encode_payload(codec, self.output)

    def _record(self, publication: Publication, binding: Binding, payload: bytes) -> tuple[Record, JsonObject]:
        fields: dict[str, bytes | int] = {
            "fabric": FABRIC,
            "destination": self.destination.id,
            "recipient": RECIPIENT,
            "measurement": publication.measurement,
            "binding": binding.version,
            "caller": caller_account(CALLER),
            "invocation": INVOCATION,
            "input": sha256(self.input),
            "output": sha256(canonical.encode(self.output)),
            "payload": sha256(payload),
            "state_version": 1,
            "as_of": AS_OF,
            "not_after": AS_OF + VALID_SECONDS,
        }
        fields |= self.fields  # type: ignore[arg-type]
        intent = intent_id(InvocationId(fields["invocation"]), self.destination.id)  # type: ignore[arg-type]
        fields = {"intent": intent} | fields
        title = f"{publication.name}@{publication.version}"
        document = write_statement(fields, Details(title, "judge", ISOLATION, {"input_bytes": len(self.input)}))
        statement = {**canonical.decode_object(document), **self.statement}
        names = {"method": method_word("judge"), "statement": sha256(canonical.encode(statement))}  # type: ignore[arg-type]
        return Record(**(fields | names | self.record)), statement  # type: ignore[return-value, operator]

    def _attestation(self) -> Attestation:
        places = tuple(sorted([NATIVE.id, ETHEREUM.id, self.destination.id]))
        places = tuple(dict.fromkeys(places))
        usual = AttestationResult(
            keys=ENCLAVE.public,
            fabric=CODE,
            isolation=ISOLATION,
            assurance=Assurance.SOFTWARE,
            epoch=EPOCH,
            not_before=AS_OF - 60,
            not_after=AS_OF + 86_400,
            destinations=destinations_digest(places),
            evidence=word("evidence"),
        )
        result = replace(usual, **self.result)  # type: ignore[arg-type]
        return Attestation(result, places, self.appraise(result.encoded, result.typed_digest))


def sample_standing(measurement: Measurement, keys: SeededKeys = REGISTRY, /, **changes: object) -> Standing:
    """Returns what a registry says of a bundle for ten minutes around the usual anchor: that it is active."""
    usual = Standing(
        registry=ORIGIN,
        measurement=measurement,
        state=State.ACTIVE,
        reason="",
        position=7,
        since=AS_OF - 86_400,
        issued=AS_OF - 60,
        expires=AS_OF + VALID_SECONDS,
        signature=Signature(ED25519, keys.key, b""),
    )
    return sign_standing(replace(usual, **changes), keys.sign_message)  # type: ignore[arg-type]


def policy(**changes: object) -> Policy:
    """Returns the policy that accepts every usual proof: two of three appraisers, both ledgers."""
    usual = Policy(
        fabrics=frozenset({FABRIC}),
        measurements=frozenset({CODE}),
        isolation=frozenset({ISOLATION}),
        minimum_assurance=Assurance.SOFTWARE,
        appraisers=tuple(Appraiser(one.public.ed25519, one.public.address) for one in APPRAISERS),
        threshold=2,
        publishers=(Publisher(PUBLISHER.key, ("cold-chain",)),),
        destinations={one.destination.id: one for one in (accepted(NATIVE), accepted(ETHEREUM))},
        registries=(Registry(ORIGIN, REGISTRY.key),),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def accepted(destination: Destination, **changes: object) -> Accepted:
    """Returns what the usual policy accepts of a ledger."""
    if destination.kind == "native":
        trust: JsonObject = {"log_key": destination.settlement.hex(), "origin": origin_of(destination)}
        usual = Accepted("native", destination, Status.OPERATOR_FINAL, accept_asserted=False, trust=trust)
    else:
        usual = Accepted(destination.kind, destination, Status.INCLUDED, accept_asserted=True, trust={})
    return replace(usual, **changes)  # type: ignore[arg-type]


def native_receipt(
    destination: Destination, header: Header, time: int, keys: SeededKeys = SEQUENCER, index: int = 2
) -> JsonObject:
    """Returns material of a native log of five entries, one of which settles a header."""
    signature = Signature(ED25519, ENCLAVE.key, ENCLAVE.sign_message(header.encoded))
    entries = [
        Entry(at, time, Envelope(Settle(header if at == index else replace(header, epoch=at + 100), signature)))
        for at in range(5)
    ]
    tree = Tree([leaf_hash(entry.encoded) for entry in entries])
    checkpoint = Checkpoint(origin_of(destination), len(tree), tree.root)
    return {
        "checkpoint": sign_note(checkpoint, keys.key, keys.sign_message(checkpoint.body)),
        "entry": entries[index].fields,
        "index": index,
        "path": [one.hex() for one in tree.inclusion(index)],
    }


def ethereum_receipt(destination: Destination, header: Header, time: int) -> JsonObject:
    """Returns material of a block in which one transaction of three settles a header."""
    trie = _settling(destination, header)
    ancestors, bloom, number = word("parent"), bytes(256), 300
    parts = [
        ancestors,
        ancestors,
        ancestors[:20],
        ancestors,
        ancestors,
        trie.root,
        bloom,
        b"",
        number.to_bytes(2, "big"),
    ]
    block = rlp.encode([*parts, b"\1", b"\1", time.to_bytes(5, "big").lstrip(b"\0"), b"", ancestors, bytes(8), b"\7"])
    return _material(trie, [headers.read(block)])


def sealed_receipt(destination: Destination, header: Header, time: int, sealers: Sequence[int]) -> JsonObject:
    """Returns the same of a block of a clique chain, and the ones behind it, by numbers of ``tests.support.seals``."""
    trie = _settling(destination, header)
    return _material(trie, seals.chain(seals.by(*sealers, time=time), trie.root))


def _settling(destination: Destination, header: Header) -> Trie:
    """Returns the receipts of the block."""
    log = [destination.settlement[-20:], [SETTLED, header.batch_id, ENCLAVE.public.id], bytes(64)]
    other = [word("somebody")[:20], [word("topic")], b""]
    shown = b"\2" + rlp.encode([b"\1", b"\x52\x08", bytes(256), [other, log]])
    quiet = b"\2" + rlp.encode([b"\1", b"\x52\x08", bytes(256), [other]])
    return Trie({index_key(at): shown if at == 1 else quiet for at in range(3)})


def _material(trie: Trie, blocks: Sequence[BlockHeader]) -> JsonObject:
    first, *rest = blocks
    proof = tuple(trie.proof(index_key(1)))
    return Material(first.hash, first.number, first.encoded, 1, proof, 1, tuple(one.encoded for one in rest)).to_json()


_RECEIPTS: Final[Mapping[str, Callable[[Destination, Header, int], JsonObject | None]]] = {
    "native": native_receipt,
    "ethereum": ethereum_receipt,
    "hyperledger": lambda *_: None,
}
USUAL: Final = {"native": Recipe(), "ethereum": Recipe(destination=ETHEREUM)}
