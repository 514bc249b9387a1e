"""Signatures: RFC 8032, recovery, and what no key can have made."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed
from fabric.core.ids import sha256
from fabric.trust.schemes import (
    ED25519,
    EIP712,
    HALF_ORDER,
    Signature,
    is_ed25519,
    is_valid,
    parse_signature,
    recover_address,
)
from tests.support.seeded_keys import SeededKeys
from tests.vectors.published import RFC8032

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = SeededKeys("signer")
MESSAGE = b"a structure"
DIGEST = sha256(MESSAGE)
BOTH = KEYS.signatures(MESSAGE, DIGEST)


@pytest.mark.parametrize("vector", RFC8032, ids=lambda one: one["name"])
def test_rfc_8032(vector: dict[str, str]) -> None:
    secret, public, message, signature = (
        bytes.fromhex(vector[name]) for name in ("secret", "public", "message", "signature")
    )
    assert Ed25519PrivateKey.from_private_bytes(secret).sign(message) == signature
    assert is_ed25519(public, signature, message)
    assert not is_ed25519(public, signature, message + b"\0")


def test_both_schemes_hold() -> None:
    for signature in BOTH:
        assert is_valid(signature, MESSAGE, lambda: DIGEST)
        assert not is_valid(signature, MESSAGE + b"!", lambda: sha256(b"another"))


def test_the_digest_is_made_only_where_it_is_needed() -> None:
    def fail() -> bytes:
        pytest.fail("Ed25519 signs the structure itself")

    assert is_valid(BOTH[0], MESSAGE, fail)


def test_addresses_are_those_of_another_implementation() -> None:
    account = Account.from_key(KEYS.secp256k1_secret)
    assert bytes.fromhex(account.address[2:]) == KEYS.public.address
    signed = account.unsafe_sign_hash(DIGEST)
    assert bytes(signed.signature) == BOTH[1].value
    assert recover_address(DIGEST, BOTH[1].value) == KEYS.public.address


def test_the_upper_half_is_refused() -> None:
    """EIP-2: the mirrored signature recovers to the same key, so one signature would have two spellings."""
    value = BOTH[1].value
    s = int.from_bytes(value[32:64], "big")
    assert s <= HALF_ORDER
    mirrored = value[:32] + (ORDER - s).to_bytes(32, "big") + bytes([55 - value[64]])
    assert recover_address(DIGEST, mirrored) is None


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_other_recovery_ids_are_refused(v: int) -> None:
    assert recover_address(DIGEST, BOTH[1].value[:64] + bytes([v])) is None


@given(st.binary(min_size=65, max_size=65) | st.binary(max_size=70), st.binary(min_size=32, max_size=32))
def test_any_bytes_recover_an_address_or_none(value: bytes, digest: bytes) -> None:
    address = recover_address(digest, value)
    assert address is None or len(address) == 20


@given(st.binary(min_size=64, max_size=64), st.sampled_from([27, 28]), st.binary(min_size=32, max_size=32))
def test_any_point_recovers_an_address_or_none(value: bytes, v: int, digest: bytes) -> None:
    low = (int.from_bytes(value[32:], "big") >> 1).to_bytes(32, "big")
    address = recover_address(digest, value[:32] + low + bytes([v]))
    assert address is None or len(address) == 20


@pytest.mark.parametrize(
    "value", [bytes(64) + b"\x1b", b"\xff" * 32 + bytes(31) + b"\1\x1b", bytes(32) + b"\1" * 32 + b"\x1b"]
)
def test_no_point_recovers_none(value: bytes) -> None:
    assert recover_address(DIGEST, value) is None


@given(st.binary(max_size=40), st.binary(max_size=70))
def test_any_bytes_are_no_ed25519_signature(key: bytes, signature: bytes) -> None:
    assert not is_ed25519(key, signature, MESSAGE) or len(signature) == 64
    assert not is_ed25519(KEYS.public.ed25519, signature, MESSAGE)


def test_one_flipped_bit_breaks_either() -> None:
    for signature in BOTH:
        for at in range(len(signature.value)):
            value = bytearray(signature.value)
            value[at] ^= 1
            assert not is_valid(replace(signature, value=bytes(value)), MESSAGE, lambda: DIGEST)


def test_an_unknown_scheme_is_never_valid() -> None:
    assert not is_valid(replace(BOTH[0], scheme="rsa"), MESSAGE, lambda: DIGEST)


def test_json() -> None:
    for signature in BOTH:
        assert parse_signature(signature.to_json()) == signature


@pytest.mark.parametrize("scheme", [ED25519, EIP712])
@pytest.mark.parametrize(
    "changes",
    [
        {"scheme": "rsa"},
        {"scheme": None},
        {"scheme": ["ed25519"]},
        {"key": ""},
        {"key": "00" * 19},
        {"key": 1},
        {"signature": "00" * 63},
        {"signature": "zz" * 64},
        {"signature": "0"},
        {"more": 1},
    ],
    ids=str,
)
def test_other_objects_are_malformed(scheme: str, changes: JsonObject) -> None:
    value = next(one for one in BOTH if one.scheme == scheme).to_json()
    with pytest.raises(Malformed):
        parse_signature(value | changes)


def test_upper_case_is_malformed() -> None:
    value = Signature(ED25519, b"\xaa" * 32, bytes(64)).to_json()
    with pytest.raises(Malformed):
        parse_signature(value | {"key": "AA" * 32})


@pytest.mark.parametrize("value", [None, [], "x", {}, {"key": "", "scheme": "ed25519"}])
def test_what_is_no_object_is_malformed(value: list[int] | str | dict[str, str] | None) -> None:
    with pytest.raises(Malformed):
        parse_signature(value)  # type: ignore[arg-type]
