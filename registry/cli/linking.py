"""What ``owner link`` does: an account as its holder names it, the key file of its kind, the account's signature.

A certificate is read here, on its holder's machine, and goes no further: the log gets its key (docs/spec/accounts.md).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import coincurve
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_utils.address import to_checksum_address

from fabric.core.errors import ConfigError, Malformed, Refused
from fabric.signers.personal import open_personal_key, open_personal_p256
from registry.book.accounts import SPELLED, AccountLink, parse_link
from registry.book.hyperledger import ORDER, Identity, parse_identity

MAX_CERTIFICATE: Final = 16 << 10
_FIELD: Final = "--account"
_EVM: Final = re.compile(r"(eip155:[1-9][0-9]{0,31}:0x)([0-9a-fA-F]{40})")
_CHANNEL: Final = re.compile(r"(hlfabric:[0-9a-f]{32})(?::([0-9a-f]{64}))?")
_UNREADABLE: Final = (
    *(ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension),
    Warning,  # of what a later release refuses, where somebody makes errors of warnings
)
Place = tuple[str, str]
"""Origin of the registry, and the namespace."""


@dataclass(frozen=True)
class Holder:
    """An account as its holder names it.

    Attributes:
        account: CAIP-10; of a channel without the account itself, which follows from certificate and MSP id.
        key: its key file.
        certificate: of a client of a channel, PEM.
        msp: whose client it is.
    """

    account: str
    key: Path
    certificate: Path | None = None
    msp: str = ""


def sign_account(holder: Holder, key: bytes, place: Place) -> AccountLink:
    """Returns a link that an account signs for a publisher's key.

    Raises:
        Malformed: no account of a kind known here, or the checksum of its address is wrong.
        ConfigError: a file cannot be used.
        Refused: the files are of another account.
    """
    kind = holder.account.partition(":")[0]
    if kind not in _SIGN:
        raise Malformed(_FIELD, f"expected {SPELLED}, got {ascii(holder.account)[:120]}")
    if kind != "hlfabric" and (holder.certificate or holder.msp):
        raise Malformed("--certificate", f"with --msp it is for an account hlfabric:HALF, not for one of {kind}")
    signed = parse_link(_SIGN[kind](holder, key, place).to_json())
    if not signed.is_signed(*place):
        raise Refused(f"{holder.key} is not the key of {signed.account}; nothing was sent")
    return signed


def evm_account(text: str) -> str:
    """Returns an account of an EVM ledger in its one spelling, lower case.

    Raises:
        Malformed: it is none, or letters of both cases stand in it and not as EIP-55 says.
    """
    found = _EVM.fullmatch(text)
    if found is None:
        raise Malformed(_FIELD, f"expected eip155:CHAIN:0xADDRESS, got {ascii(text)[:120]}")
    chain, digits = found.groups()
    lower = digits.lower()
    if digits not in {lower, digits.upper(), to_checksum_address(f"0x{lower}")[2:]}:
        raise Malformed(
            _FIELD, f"the checksum of 0x{digits} is wrong (EIP-55): a digit was changed or lost, so copy it anew"
        )
    return chain + lower


def read_identity(msp: str, path: Path) -> Identity:
    """Returns the identity of a certificate in PEM.

    Raises:
        ConfigError: the file is not one certificate, or one of an authority or of a key that is not of P-256.
        Malformed: the MSP id is none.
    """
    key = _certified(path)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(
            f"certificate {path}: its key is not of the curve P-256, and only such a client can be linked"
        )
    spelled = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return parse_identity({"msp": msp, "public_key": spelled.hex()})


def _certified(path: Path) -> object:
    """Returns the public key of a file with one certificate, of somebody who is no authority."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CERTIFICATE + 1)
    except OSError as error:
        raise ConfigError(f"certificate {path}: {error.strerror or error}") from error
    if len(data) > MAX_CERTIFICATE:
        raise ConfigError(f"certificate {path}: more than {MAX_CERTIFICATE} bytes")
    try:
        (whole,) = x509.load_pem_x509_certificates(data)
        is_authority = any(isinstance(each.value, x509.BasicConstraints) and each.value.ca for each in whole.extensions)
        key = whole.public_key()
    except _UNREADABLE as error:
        raise ConfigError(
            f"certificate {path}: expected one X.509 certificate in PEM, and no chain: {error}"
        ) from error
    if is_authority:
        raise ConfigError(f"certificate {path}: it is of an authority, which is no client of a channel")
    return key


def _sign_evm(holder: Holder, key: bytes, place: Place) -> AccountLink:
    link = AccountLink(evm_account(holder.account), key)
    secret = open_personal_key(holder.key, "account", may_make=False).key.private_bytes_raw()
    try:
        made = coincurve.PrivateKey(secret).sign_recoverable(link.message(*place), hasher=None)
    except ValueError as error:
        raise ConfigError(f"account key {holder.key}: not a secp256k1 key") from error
    return replace(link, signature=made[:64] + bytes([made[64] + 27]))


def _sign_native(holder: Holder, key: bytes, place: Place) -> AccountLink:
    link = AccountLink(holder.account.lower(), key)
    secret = open_personal_key(holder.key, "account", may_make=False).key
    return replace(link, signature=secret.sign(link.message(*place)))


def _sign_hyperledger(holder: Holder, key: bytes, place: Place) -> AccountLink:
    found = _CHANNEL.fullmatch(holder.account.lower())
    if found is None or holder.certificate is None or not holder.msp:
        raise Malformed(
            _FIELD,
            "a client of a Hyperledger channel is named by hlfabric:HALF, where HALF is the first 32 digits of the hash"
            f" of the channel's block 0, with --msp and --certificate; got {ascii(holder.account)[:120]}",
        )
    identity = read_identity(holder.msp, holder.certificate)
    channel, account = found.groups()
    if account not in {None, identity.account.hex()}:
        raise Refused(f"{holder.certificate} of {holder.msp} is {channel}:{identity.account.hex()}, not {account}")
    secret = open_personal_p256(holder.key, "account")
    if secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != identity.public_key:
        raise Refused(f"{holder.key} is not the key that {holder.certificate} is made out to; nothing was signed")
    link = AccountLink(f"{channel}:{identity.account.hex()}", key, identity=identity)
    return replace(link, signature=_sign_low(secret, link.message(*place)))


def _sign_low(secret: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Signs with s in the lower half of the order, as Hyperledger asks too."""
    r, s = decode_dss_signature(secret.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")


_SIGN: Final[Mapping[str, Callable[[Holder, bytes, Place], AccountLink]]] = {
    "eip155": _sign_evm,
    "cryptlet": _sign_native,
    "hlfabric": _sign_hyperledger,
}
