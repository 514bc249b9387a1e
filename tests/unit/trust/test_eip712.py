"""Our hand-written EIP-712 digests against eth-account's general encoder."""

from typing import Any

from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.ids import DestinationId, Digest, Measurement, sha256
from fabric.trust import eip712
from fabric.trust.attestation import KeyState, KeyStatus
from fabric.trust.batch import Header
from fabric.trust.destination import Destination
from fabric.trust.revocation import CodeRevocation
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import sample_result, word

KEYS = SeededKeys("enclave-0").public
WORDS = st.binary(min_size=32, max_size=32)
PLAIN = {"name": "cryptlet-fabric", "version": "1"}
PLAIN_TYPE = [{"name": "name", "type": "string"}, {"name": "version", "type": "string"}]
DOMAIN_TYPE = [
    *PLAIN_TYPE,
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
    {"name": "salt", "type": "bytes32"},
]


def digest_of(
    domain: dict[str, Any], domain_type: list[dict[str, str]], name: str, values: list[tuple[str, str, Any]]
) -> bytes:
    """Returns the digest that eth-account gives."""
    types = {"EIP712Domain": domain_type, name: [{"name": one, "type": kind} for kind, one, _ in values]}
    message = {one: value for _, one, value in values}
    full = {"types": types, "primaryType": name, "domain": domain, "message": message}
    signable = encode_typed_data(full_message=full)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


@given(st.integers(1, 2**63), st.binary(min_size=20, max_size=20), WORDS, WORDS, st.integers(0, 2**64 - 1))
def test_header(chain: int, contract: bytes, salt: bytes, root: bytes, epoch: int) -> None:
    destination = Destination("ethereum", chain.to_bytes(32, "big"), word("genesis"), contract.rjust(32, b"\0"), salt)
    header = Header(destination.id, epoch, 7, Digest(root))
    domain = PLAIN | {"chainId": chain, "verifyingContract": "0x" + contract.hex(), "salt": salt}
    values = [
        ("bytes32", "destination", destination.id),
        ("uint256", "epoch", epoch),
        ("uint256", "count", 7),
        ("bytes32", "root", root),
    ]
    assert eip712.header_digest(header, destination) == digest_of(domain, DOMAIN_TYPE, "Header", values)


@given(WORDS, st.integers(0, 2**64 - 1))
def test_attestation(seed: bytes, time: int) -> None:
    result = sample_result(KEYS, [DestinationId(seed)], time, time)
    values = [
        ("bytes32", "signingKey", KEYS.ed25519),
        ("address", "account", "0x" + KEYS.address.hex()),
        ("bytes32", "fabricMeasurement", result.fabric),
        ("bytes32", "isolation", b"sample".ljust(32, b"\0")),
        ("uint256", "assurance", 1),
        ("uint256", "epoch", 1),
        ("uint256", "notBefore", time),
        ("uint256", "notAfter", time),
        ("bytes32", "destinations", sha256(seed)),
        ("bytes32", "evidence", result.evidence),
    ]
    assert result.typed_digest == digest_of(PLAIN, PLAIN_TYPE, "Attestation", values)


@given(st.sampled_from([KeyState.RETIRED, KeyState.REVOKED]), st.integers(0, 2**64 - 1))
def test_key_status(state: KeyState, deadline: int) -> None:
    values = [
        ("bytes32", "signingKey", KEYS.ed25519),
        ("address", "account", "0x" + KEYS.address.hex()),
        ("uint256", "status", int(state)),
        ("uint256", "deadline", deadline),
    ]
    assert KeyStatus(KEYS, state, deadline).typed_digest == digest_of(PLAIN, PLAIN_TYPE, "KeyStatus", values)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**64 - 1))
def test_code_revocation(measurement: bytes, since: int) -> None:
    values = [("bytes32", "measurement", measurement), ("uint256", "since", since)]
    made = CodeRevocation(Measurement(measurement), since).typed_digest
    assert made == digest_of(PLAIN, PLAIN_TYPE, "CodeRevocation", values)
