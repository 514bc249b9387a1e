"""`owner link`: accounts as people write them, and files that do not belong together."""

import base64
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import ConfigError, Malformed, Refused
from registry.cli.linking import MAX_CERTIFICATE, Holder, evm_account, read_identity, sign_account
from tests.support.account_links import CHANNEL, CLIENT, EVM, HYPERLEDGER, IDENTITY, NATIVE, SECRET
from tests.support.hl_authorities import Authority
from tests.support.registries import ALICE, BOB, ORIGIN

NOW = 1_800_000_000
PLACE = (ORIGIN, "acme")
AUTHORITY = Authority("Org1MSP", NOW)
# https://eips.ethereum.org/EIPS/eip-55, its own examples
PUBLISHED = (
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def _pem(key: PrivateKeyTypes, how: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how or NoEncryption())


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    """Returns a client of a channel whose files belong together."""
    certificate = AUTHORITY.issue("alice", "client", key=CLIENT).pem.encode()
    key = _write(tmp_path / "client.key", _pem(CLIENT))
    return Holder(CHANNEL, key, _write(tmp_path / "client.pem", certificate), "Org1MSP")


def _with(holder: Holder, **changes: object) -> Holder:
    values = {"account": holder.account, "key": holder.key, "certificate": holder.certificate, "msp": holder.msp}
    return Holder(**{**values, **changes})  # type: ignore[arg-type]


def _sign(holder: Holder) -> str:
    link = sign_account(holder, ALICE.key.public, PLACE)
    assert link.is_signed(*PLACE)
    assert link.key == ALICE.key.public
    return link.account


def test_each_kind_of_account_signs(tmp_path: Path, holder: Holder) -> None:
    evm = _write(tmp_path / "evm.key", SECRET.to_hex().encode())
    native = _write(tmp_path / "native.key", _pem(BOB.key.private))
    assert _sign(Holder(EVM, evm)) == EVM
    assert _sign(Holder(NATIVE, native)) == NATIVE
    assert _sign(holder) == HYPERLEDGER
    assert _sign(_with(holder, account=HYPERLEDGER)) == HYPERLEDGER


def test_a_key_may_lie_in_the_older_form_of_pem(holder: Holder) -> None:
    older = CLIENT.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert b"BEGIN EC PRIVATE KEY" in older
    _write(holder.key, older)
    assert _sign(holder) == HYPERLEDGER


def test_an_expired_certificate_still_names_its_key(holder: Holder) -> None:
    assert holder.certificate is not None
    _write(holder.certificate, AUTHORITY.issue("alice", "client", key=CLIENT, ends=86_400).pem.encode())
    assert _sign(holder) == HYPERLEDGER


@pytest.mark.parametrize("address", PUBLISHED)
def test_a_right_checksum_is_taken_and_a_wrong_one_refused(address: str) -> None:
    assert evm_account(f"eip155:1:{address}") == f"eip155:1:{address.lower()}"
    at = next(at for at in range(2, 42) if address[at].isalpha())
    wrong = address[:at] + address[at].swapcase() + address[at + 1 :]
    with pytest.raises(Malformed, match="the checksum of 0x"):
        evm_account(f"eip155:1:{wrong}")


@given(st.binary(min_size=20, max_size=20), st.integers(0, 39))
def test_checksums_are_those_of_the_library_of_ethereum(address: bytes, at: int) -> None:
    right = to_checksum_address(address)
    assert evm_account(f"eip155:1:{right}") == f"eip155:1:0x{address.hex()}"
    digits = right[2:]
    wrong = digits[:at] + digits[at].swapcase() + digits[at + 1 :]
    if wrong in {digits, digits.lower(), digits.upper()}:
        return
    with pytest.raises(Malformed, match=r"--account: the checksum"):
        evm_account(f"eip155:1:0x{wrong}")


@pytest.mark.parametrize(
    "text",
    [
        "eip155:1:0x" + "0" * 39,
        "eip155:1:" + "0" * 40,
        "eip155:1:0X" + "0" * 40,
        "eip155:01:" + PUBLISHED[0],
        "eip155:",
    ],
)
def test_what_is_no_address_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match=r"expected eip155:CHAIN:0xADDRESS"):
        evm_account(text)


@pytest.mark.parametrize("account", ["solana:x:y", "", "EIP155:1:" + PUBLISHED[0], "cryptlet:ab:cd", "fabric:ab:cd"])
def test_other_accounts_are_malformed(tmp_path: Path, account: str) -> None:
    key = _write(tmp_path / "native.key", _pem(BOB.key.private))
    with pytest.raises(Malformed, match=r"expected eip155:CHAIN:0xADDRESS, cryptlet:HALF:KEY or hlfabric:HALF:ACCOUNT"):
        _sign(Holder(account, key))


@pytest.mark.parametrize(
    "changes",
    [
        *({"certificate": None}, {"msp": ""}, {"account": "hlfabric:"}, {"account": "hlfabric:" + "cd" * 32}),
        {"account": CHANNEL + ":Org1MSP"},
    ],
)
def test_a_client_of_a_channel_names_channel_msp_and_certificate(holder: Holder, changes: dict[str, object]) -> None:
    with pytest.raises(Malformed, match=r"is named by hlfabric:HALF.*with --msp and --certificate"):
        _sign(_with(holder, **changes))


@pytest.mark.parametrize("changes", [{"msp": "Org1MSP"}, {"certificate": Path("client.pem")}])
def test_other_accounts_have_no_certificate(tmp_path: Path, changes: dict[str, object]) -> None:
    evm = _write(tmp_path / "evm.key", SECRET.to_hex().encode())
    with pytest.raises(Malformed, match=r"--certificate: with --msp it is for an account hlfabric:HALF"):
        _sign(_with(Holder(EVM, evm), **changes))


@pytest.mark.parametrize("msp", ["Org1 MSP", "Org\u0433MSP", "\udcff", "x" * 201])
def test_an_msp_id_that_is_none_is_malformed(holder: Holder, msp: str) -> None:
    with pytest.raises(Malformed, match=r"link\.identity\.msp"):
        _sign(_with(holder, msp=msp))


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, holder: Holder) -> None:
    other = _write(tmp_path / "other.key", _pem(ec.derive_private_key(5, ec.SECP256R1())))
    with pytest.raises(Refused, match=r"other\.key is not the key that .*client\.pem is made out to"):
        _sign(_with(holder, key=other))
    with pytest.raises(Refused, match=rf"client\.pem of Org2MSP is hlfabric:.*, not {IDENTITY.account.hex()}"):
        _sign(_with(holder, account=HYPERLEDGER, msp="Org2MSP"))
    evm = _write(tmp_path / "evm.key", b"08" * 32)
    with pytest.raises(Refused, match=f"is not the key of {EVM}; nothing was sent"):
        _sign(Holder(EVM, evm))


@pytest.mark.parametrize("digits", [b"00" * 32, b"ff" * 32])
def test_a_number_that_is_no_key_is_told(tmp_path: Path, digits: bytes) -> None:
    with pytest.raises(ConfigError, match="not a secp256k1 key"):
        _sign(Holder(EVM, _write(tmp_path / "evm.key", digits)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_pem(CLIENT, BestAvailableEncryption(b"secret")), r"it is under a password.*openssl pkcs8 -topk8 -nocrypt"),
        (_pem(ec.derive_private_key(5, ec.SECP384R1())), r"expected a key of the curve P-256, got .* secp384r1"),
        (_pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))), r"expected a key of the curve P-256, got "),
        (b"", "expected a private key in PEM"),
        (b"07" * 32, "expected a private key in PEM"),
        (b"\n".join(_pem(CLIENT).splitlines()[::2]), "expected a private key in PEM"),
    ],
    ids=["password", "p384", "ed25519", "empty", "digits", "spoiled"],
)
def test_a_key_file_that_cannot_be_used_is_told(holder: Holder, data: bytes, said: str) -> None:
    _write(holder.key, data)
    with pytest.raises(ConfigError, match=rf"account key .*client\.key: {said}"):
        _sign(holder)


def test_a_key_that_others_can_read_or_that_is_missing_is_told(holder: Holder) -> None:
    holder.key.chmod(0o640)
    with pytest.raises(ConfigError, match=r"others may read it \(mode 0640\)"):
        _sign(holder)
    holder.key.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        _sign(holder)
    assert not holder.key.exists()


def _chain() -> bytes:
    return (AUTHORITY.issue("alice", "client", key=CLIENT).pem + AUTHORITY.pem).encode()


def _of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return AUTHORITY.issue("alice", "client", key=key).pem.encode()


def _rsa() -> bytes:
    key = rsa.generate_private_key(65_537, 2_048)
    return AUTHORITY.issue("alice", "client", key=key).pem.encode()  # type: ignore[arg-type]


CERTIFICATES: dict[str, tuple[Callable[[], bytes], str]] = {
    "authority": (AUTHORITY.pem.encode, "it is of an authority"),
    "chain": (_chain, "expected one X.509 certificate in PEM, and no chain"),
    "p384": (lambda: _of(ec.derive_private_key(5, ec.SECP384R1())), "its key is not of the curve P-256"),
    "k256": (lambda: _of(ec.derive_private_key(5, ec.SECP256K1())), "its key is not of the curve P-256"),
    "rsa": (_rsa, "its key is not of the curve P-256"),
    "empty": (lambda: b"", "expected one X.509 certificate"),
    "key": (lambda: _pem(CLIENT), "expected one X.509 certificate"),
    "long": (lambda: bytes(MAX_CERTIFICATE + 1), "more than 16384 bytes"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_cannot_be_used_is_told(holder: Holder, name: str) -> None:
    make, said = CERTIFICATES[name]
    assert holder.certificate is not None
    _write(holder.certificate, make())
    with pytest.raises(ConfigError, match=rf"certificate .*client\.pem: {said}"):
        _sign(holder)
    with pytest.raises(ConfigError, match=r"certificate .*: Is a directory"):
        _sign(_with(holder, certificate=holder.certificate.parent))


DER = x509.load_pem_x509_certificate(_of(CLIENT)).public_bytes(Encoding.DER)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_a_spoiled_certificate_names_its_key_or_is_told(
    tmp_path_factory: pytest.TempPathFactory, at: int, mask: int
) -> None:
    """Its signature is not looked at: no root is known here. Read is its key, and whether it is an authority."""
    spoiled = bytearray(DER)
    spoiled[at] ^= mask
    text = base64.encodebytes(bytes(spoiled if mask else spoiled[:at]))
    path = tmp_path_factory.getbasetemp() / "spoiled.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n")
    with suppress(ConfigError):
        assert read_identity("Org1MSP", path) == IDENTITY


@given(st.binary(max_size=400))
def test_any_bytes_are_a_certificate_or_told(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pem"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        read_identity("Org1MSP", path)
