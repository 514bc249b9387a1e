"""Ed25519 keys of small order: one signature fits every message, so no signature under them is one."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fabric.trust.schemes import is_ed25519

PRIME = 2**255 - 19
IDENTITY = (1).to_bytes(32, "little")
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
OTHER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
POINTS = [
    IDENTITY,
    bytes(32),
    (PRIME - 1).to_bytes(32, "little"),
    PRIME.to_bytes(32, "little"),
    (PRIME + 1).to_bytes(32, "little"),
    ORDER_8,
    OTHER_8,
]
SIGN = 0x80


def test_the_danger_is_real() -> None:
    """The library takes a signature under the neutral element that nobody made, for whatever message."""
    for message in (b"one", b"another"):
        Ed25519PublicKey.from_public_bytes(IDENTITY).verify(IDENTITY + bytes(32), message)


@pytest.mark.parametrize("sign", [0, SIGN])
@pytest.mark.parametrize("point", POINTS, ids=bytes.hex)
def test_no_signature_holds_under_them(point: bytes, sign: int) -> None:
    key = point[:31] + bytes([point[31] | sign])
    nonces = [one[:31] + bytes([one[31] | bit]) for one in POINTS for bit in (0, SIGN)]
    messages = [bytes([number]) for number in range(16)]
    assert not any(is_ed25519(key, nonce + bytes(32), message) for nonce in nonces for message in messages)
