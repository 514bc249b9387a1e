"""Certificates: what is read of them, and that any bytes give a certificate or ``Malformed``."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger.certificates import leads_to_root, read_certificate
from fabric.core.errors import Malformed
from tests.support.msp import P384, START, YEAR, Authority
from tests.support.readbacks import text

ROOT = Authority("Org1MSP")
PEER = ROOT.member("peer0")
DER = PEER.certificate.public_bytes(Encoding.DER)
MESSAGE = b"message"


def pem(der: bytes) -> bytes:
    return f"-----BEGIN CERTIFICATE-----\n{text(der)}\n-----END CERTIFICATE-----\n".encode()


def test_what_is_read() -> None:
    certificate = read_certificate(PEER.pem)
    assert (certificate.roles, certificate.public_key) == (frozenset({"peer"}), PEER.public_key)
    assert (certificate.start, certificate.end) == (START - YEAR, START + 10 * YEAR)
    assert not certificate.is_authority
    root = read_certificate(ROOT.pem.encode())
    assert (root.is_authority, root.may_certify, root.path_length) == (True, True, None)


def test_a_spelling_of_its_own_is_the_same_certificate() -> None:
    assert read_certificate(PEER.pem) == read_certificate(pem(DER))


def test_validity_includes_both_ends() -> None:
    certificate = read_certificate(PEER.pem)
    assert certificate.is_valid_at(certificate.start)
    assert certificate.is_valid_at(certificate.end)
    assert not certificate.is_valid_at(certificate.start - 1)
    assert not certificate.is_valid_at(certificate.end + 1)


@pytest.mark.parametrize("curve", [None, P384], ids=["ed25519", "p-384"])
def test_keys_that_endorse(curve: ec.EllipticCurve | None) -> None:
    member = ROOT.member("other", curve=curve)
    certificate = read_certificate(member.pem)
    assert certificate.made(member.sign(MESSAGE), MESSAGE)
    assert not certificate.made(member.sign(MESSAGE), MESSAGE + b" ")


@pytest.mark.parametrize("signature", [b"", b"0", bytes(64), bytes(72)], ids=len)
def test_a_signature_of_another_form_is_none(signature: bytes) -> None:
    assert not read_certificate(PEER.pem).made(signature, MESSAGE)


def test_a_member_issues_nothing() -> None:
    peer = read_certificate(PEER.pem)
    assert leads_to_root(peer, [read_certificate(ROOT.pem.encode())], [], START)
    assert not leads_to_root(peer, [peer], [], START)


NONE = {
    "empty": b"",
    "text": b"x",
    "two": PEER.pem * 2,
    "cut": PEER.pem[:-30],
    "cut inside": pem(DER[:-1]),
    "nothing inside": pem(b""),
    "too long": bytes(1 << 15),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_certificate_is_malformed(name: str) -> None:
    with pytest.raises(Malformed, match="certificate"):
        read_certificate(NONE[name])


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.data())
def test_any_bytes_give_a_certificate_or_malformed(data: st.DataObject) -> None:
    raw = bytearray(DER)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = read_certificate(pem(bytes(raw)))
    except Malformed:
        return
    leads_to_root(certificate, [read_certificate(ROOT.pem.encode())], [certificate], START)
    certificate.made(PEER.sign(MESSAGE), MESSAGE)
