"""Writes tests/vectors/trust.json: the bytes of every structure of docs/spec, and what others published."""

import json
from typing import Any, Final

from fabric.core.ids import (
    Account,
    BindingVersion,
    FabricId,
    Measurement,
    acknowledgement_id,
    caller_account,
    delivery_id,
    expiry_id,
    intent_id,
    invocation_id,
    method_word,
    request_id,
    sha256,
)
from fabric.trust import eip712
from fabric.trust.attestation import KeyState, KeyStatus, destinations_digest, report_data
from fabric.trust.batch import header_of, tree_of
from fabric.trust.checkpoint import Checkpoint, sign_note
from fabric.trust.destination import Destination
from fabric.trust.letter import Acknowledgement, Delivery, message_object
from fabric.trust.message import Ending, Shown
from fabric.trust.publication import measure
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import AS_OF, sample_channel, sample_message, sample_record, sample_result, word
from tests.vectors import published
from tests.vectors.gen_rules import REFERENCE

FORMAT: Final = "cryptlet-fabric/trust-vectors/v1"
NATIVE: Final = Destination(
    "native", sha256(b"a native ledger"), word("genesis document"), word("sequencer key"), word("salt")
)
PARTIES: Final = ("appraiser-0", "enclave-0", "log")
BATCH_SIZES: Final = (1, 2, 3, 5, 8)


def document() -> str:
    """Returns the text of the file."""
    value = {
        "format": FORMAT,
        "keys": {name: _keys(SeededKeys(name)) for name in PARTIES},
        "ids": _ids(),
        "destinations": [one.to_json() | {"id": one.id.hex()} for one in (REFERENCE, NATIVE)],
        "record": _record(),
        "batches": [_batch(size) for size in BATCH_SIZES],
        "attestation": _attestation(),
        "key_status": _key_status(),
        "code_revocation": _code_revocation(),
        "message": _message(),
        "report_data": _report_data(),
        "checkpoint": _checkpoint(),
        "measurement": {
            "wheel": word("wheel").hex(),
            "lock": word("lock").hex(),
            "measurement": measure(word("wheel"), word("lock")).hex(),
        },
        "published": {
            "ed25519": published.RFC8032,
            "merkle": {
                "leaves": published.CT_LEAVES,
                "roots": published.CT_ROOTS,
                "inclusion": published.CT_INCLUSION,
                "consistency": published.CT_CONSISTENCY,
            },
            "canonical_json": published.RFC8785,
            "canonical_numbers": published.RFC8785_NUMBERS,
        },
    }
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def _message() -> dict[str, Any]:
    channel, message = sample_channel(), sample_message(b"a body")
    delivery = Delivery(Shown.ASSERTED, message, b"a body")
    acknowledgement = Acknowledgement(Shown.PROVEN, Ending.DELIVERED, AS_OF, message, b"a result")
    return {
        "channel": {"id": channel.id.hex(), "bytes": channel.encoded.hex()},
        "message": {"fields": message_object(message), "id": message.id.hex(), "bytes": message.encoded.hex()},
        "delivery": delivery.encoded.hex(),
        "acknowledgement": acknowledgement.encoded.hex(),
        "effects": {
            "delivered": delivery_id(message.id).hex(),
            "expired": expiry_id(message.id).hex(),
            "acknowledged": acknowledgement_id(message.id, Ending.DELIVERED).hex(),
            "refunded": acknowledgement_id(message.id, Ending.EXPIRED).hex(),
        },
    }


def _keys(keys: SeededKeys) -> dict[str, str]:
    return {
        "ed25519_seed": keys.ed25519_seed.hex(),
        "secp256k1_secret": keys.secp256k1_secret.hex(),
        "ed25519": keys.public.ed25519.hex(),
        "address": keys.public.address.hex(),
        "id": keys.public.id.hex(),
    }


def _ids() -> dict[str, Any]:
    fabric, caller, binding = FabricId(word("fabric")), caller_account("acme"), BindingVersion(word("binding"))
    invocation = invocation_id(fabric, caller, "shipment 7")
    requester, method, input_ = Account(word("requester")), method_word("judge"), word("input")
    return {
        "method": {"name": "judge", "word": method.hex()},
        "caller": {"name": "acme", "account": caller.hex()},
        "invocation": {
            "fabric": fabric.hex(),
            "caller": caller.hex(),
            "idempotency_key": "shipment 7",
            "id": invocation.hex(),
        },
        "intent": {
            "invocation": invocation.hex(),
            "destination": REFERENCE.id.hex(),
            "id": intent_id(invocation, REFERENCE.id).hex(),
        },
        "request": {
            "destination": REFERENCE.id.hex(),
            "requester": requester.hex(),
            "nonce": 258,
            "method": method.hex(),
            "input": input_.hex(),
            "binding": binding.hex(),
            "id": request_id(REFERENCE.id, requester, 258, method, input_, binding).hex(),
        },
    }


def _record() -> dict[str, Any]:
    record = sample_record("0", REFERENCE.id)
    fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in vars(record).items()}
    return {"fields": fields, "encoded": record.encoded.hex(), "digest": record.digest.hex()}


def _batch(size: int) -> dict[str, Any]:
    records = [sample_record(str(number), REFERENCE.id) for number in range(size)]
    header, tree, enclave = header_of(records, epoch=1), tree_of(records), SeededKeys("enclave-0")
    digest = eip712.header_digest(header, REFERENCE)
    return {
        "records": [record.digest.hex() for record in records],
        "root": header.root.hex(),
        "paths": [[one.hex() for one in tree.inclusion(index)] for index in range(size)],
        "header": header.encoded.hex(),
        "batch_id": header.batch_id.hex(),
        "domain_separator": eip712.domain_separator(REFERENCE).hex(),
        "eip712_digest": digest.hex(),
        "signatures": _signatures(enclave.signatures(header.encoded, digest)),
    }


def _attestation() -> dict[str, Any]:
    destinations = sorted([REFERENCE.id, NATIVE.id])
    result = sample_result(SeededKeys("enclave-0").public, destinations, AS_OF, AS_OF + 86_400)
    signatures = SeededKeys("appraiser-0").signatures(result.encoded, result.typed_digest)
    return {
        "destinations": [one.hex() for one in destinations],
        "destinations_digest": destinations_digest(destinations).hex(),
        "isolation": result.isolation,
        "encoded": result.encoded.hex(),
        "digest": result.digest.hex(),
        "domain_separator": eip712.plain_domain_separator().hex(),
        "eip712_digest": result.typed_digest.hex(),
        "signatures": _signatures(signatures),
    }


def _key_status() -> dict[str, Any]:
    status = KeyStatus(SeededKeys("enclave-0").public, KeyState.RETIRED, AS_OF + 60)
    signatures = SeededKeys("appraiser-0").signatures(status.encoded, status.typed_digest)
    return {
        "encoded": status.encoded.hex(),
        "eip712_digest": status.typed_digest.hex(),
        "signatures": _signatures(signatures),
    }


def _code_revocation() -> dict[str, Any]:
    revocation = CodeRevocation(Measurement(word("measurement")), AS_OF)
    signatures = SeededKeys("appraiser-0").signatures(revocation.encoded, revocation.typed_digest)
    return {
        "measurement": revocation.measurement.hex(),
        "since": AS_OF,
        "encoded": revocation.encoded.hex(),
        "digest": revocation.digest.hex(),
        "eip712_digest": revocation.typed_digest.hex(),
        "signatures": _signatures(signatures),
    }


def _report_data() -> dict[str, str]:
    keys = SeededKeys("enclave-0").public
    data = report_data(word("nonce"), keys, sample_result(keys, [], 0, 0).fabric, "sample")
    return {
        "nonce": word("nonce").hex(),
        "fabric": sample_result(keys, [], 0, 0).fabric.hex(),
        "isolation": "sample",
        "report_data": data.hex(),
    }


def _checkpoint() -> dict[str, Any]:
    log = SeededKeys("log")
    checkpoint = Checkpoint("example.com/log", 7, word("root"))
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "key": log.public.ed25519.hex(),
        "body": checkpoint.body.decode(),
        "note": sign_note(checkpoint, log.public.ed25519, log.sign_message(checkpoint.body)),
    }


def _signatures(signatures: tuple[Signature, Signature]) -> list[dict[str, Any]]:
    return [dict(one.to_json()) for one in signatures]
