"""tests/vectors/trust.json, read as a foreign implementation would: from the file to the digests."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fabric.core import ids
from fabric.core.ids import Account, BindingVersion, DestinationId, Digest, FabricId, InvocationId
from fabric.trust import eip712
from fabric.trust.attestation import AttestationResult, KeySet, KeyStatus, destinations_digest, report_data
from fabric.trust.batch import Header
from fabric.trust.checkpoint import open_note
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.merkle import root_from_inclusion
from fabric.trust.publication import measure
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import is_valid, parse_signature
from tests.vectors import gen_trust

VECTORS: dict[str, Any] = json.loads((Path(gen_trust.__file__).parent / "trust.json").read_text())


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def ethereum() -> Destination:
    value = {key: item for key, item in VECTORS["destinations"][0].items() if key != "id"}
    return parse_destination(value)


def check_signatures(part: dict[str, Any], message: bytes, signers: dict[str, str]) -> None:
    for value in part["signatures"]:
        signature = parse_signature(value)
        assert signature.key.hex() in signers.values()
        assert is_valid(signature, message, lambda: raw(part["eip712_digest"]))


def test_the_file_is_what_the_generator_writes() -> None:
    assert json.loads(gen_trust.document()) == VECTORS


def test_keys() -> None:
    for keys in VECTORS["keys"].values():
        assert sha256(raw(keys["ed25519"]) + bytes(12) + raw(keys["address"])) == raw(keys["id"])


def test_ids() -> None:
    part = VECTORS["ids"]
    assert ids.method_word(part["method"]["name"]) == raw(part["method"]["word"])
    assert ids.caller_account(part["caller"]["name"]) == raw(part["caller"]["account"])
    asked = part["invocation"]
    made = ids.invocation_id(FabricId(raw(asked["fabric"])), Account(raw(asked["caller"])), asked["idempotency_key"])
    assert made == raw(asked["id"])
    intent = part["intent"]
    words = InvocationId(raw(intent["invocation"])), DestinationId(raw(intent["destination"]))
    assert ids.intent_id(*words) == raw(intent["id"])
    request = part["request"]
    assert ids.request_id(
        DestinationId(raw(request["destination"])),
        Account(raw(request["requester"])),
        request["nonce"],
        Digest(raw(request["method"])),
        Digest(raw(request["input"])),
        BindingVersion(raw(request["binding"])),
    ) == raw(request["id"])


def test_destinations() -> None:
    for value in VECTORS["destinations"]:
        fields = {key: item for key, item in value.items() if key != "id"}
        assert parse_destination(fields).id == raw(value["id"])


def test_record() -> None:
    part = VECTORS["record"]
    record = Record.decode(raw(part["encoded"]))
    fields = {name: one.hex() if isinstance(one, bytes) else one for name, one in asdict(record).items()}
    assert fields == part["fields"]
    assert sha256(raw(part["encoded"])) == raw(part["digest"])


@pytest.mark.parametrize("batch", VECTORS["batches"], ids=lambda one: f"{len(one['records'])} records")
def test_batches(batch: dict[str, Any]) -> None:
    header = Header.decode(raw(batch["header"]))
    assert (header.root, header.count) == (raw(batch["root"]), len(batch["records"]))
    assert sha256(raw(batch["header"])) == raw(batch["batch_id"])
    assert eip712.domain_separator(ethereum()) == raw(batch["domain_separator"])
    assert eip712.header_digest(header, ethereum()) == raw(batch["eip712_digest"])
    check_signatures(batch, header.encoded, VECTORS["keys"]["enclave-0"])
    if header.count == 1:
        assert sha256(b"\0" + raw(VECTORS["record"]["encoded"])) == header.root


def test_paths_lead_to_the_root() -> None:
    batch = VECTORS["batches"][-1]
    leaf = sha256(b"\0" + raw(VECTORS["record"]["encoded"]))
    path = [raw(one) for one in batch["paths"][0]]
    assert root_from_inclusion(leaf, 0, len(batch["records"]), path) == raw(batch["root"])


def test_attestation() -> None:
    part = VECTORS["attestation"]
    result = AttestationResult.decode(raw(part["encoded"]))
    assert result.digest == sha256(raw(part["encoded"])) == raw(part["digest"])
    assert destinations_digest([DestinationId(raw(one)) for one in part["destinations"]]) == result.destinations
    assert (result.destinations.hex(), result.isolation) == (part["destinations_digest"], part["isolation"])
    assert eip712.plain_domain_separator() == raw(part["domain_separator"])
    assert result.typed_digest == raw(part["eip712_digest"])
    check_signatures(part, result.encoded, VECTORS["keys"]["appraiser-0"])


def test_key_status() -> None:
    part = VECTORS["key_status"]
    status = KeyStatus.decode(raw(part["encoded"]))
    assert status.typed_digest == raw(part["eip712_digest"])
    check_signatures(part, status.encoded, VECTORS["keys"]["appraiser-0"])


def test_code_revocation() -> None:
    part = VECTORS["code_revocation"]
    revocation = CodeRevocation.decode(raw(part["encoded"]))
    assert revocation == CodeRevocation(ids.Measurement(raw(part["measurement"])), part["since"])
    assert (revocation.digest, revocation.typed_digest) == (raw(part["digest"]), raw(part["eip712_digest"]))
    check_signatures(part, revocation.encoded, VECTORS["keys"]["appraiser-0"])


def test_report_data() -> None:
    part, keys = VECTORS["report_data"], VECTORS["keys"]["enclave-0"]
    enclave = KeySet(raw(keys["ed25519"]), raw(keys["address"]))
    made = report_data(raw(part["nonce"]), enclave, ids.Measurement(raw(part["fabric"])), part["isolation"])
    assert made == raw(part["report_data"])


def test_checkpoint() -> None:
    part = VECTORS["checkpoint"]
    checkpoint = open_note(part["note"], raw(part["key"]))
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) == (part["origin"], part["size"], part["root"])
    assert part["note"].startswith(part["body"] + "\n")


def test_measurement() -> None:
    part = VECTORS["measurement"]
    assert measure(Digest(raw(part["wheel"])), Digest(raw(part["lock"]))) == raw(part["measurement"])
