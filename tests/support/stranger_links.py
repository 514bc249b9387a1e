"""A reader of account links that knows docs/spec/accounts.md alone: no line of the project is in it."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import coincurve
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from eth_hash.auto import keccak

FORMAT: Final = "cryptlet-fabric/account-link/v1"
NAMES: Final = {"account", "format", "key", "signature"}
EVM: Final = re.compile(r"eip155:[1-9][0-9]{0,31}:0x([0-9a-f]{40})")
NATIVE: Final = re.compile(r"cryptlet:[0-9a-f]{32}:([0-9a-f]{64})")
HYPERLEDGER: Final = re.compile(r"hlfabric:[0-9a-f]{32}:([0-9a-f]{64})")
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
K256_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HEAD: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
Y_OF_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
ED25519_PRIME: Final = 2**255 - 19


def message_of(link: Mapping[str, Any], registry: str, namespace: str) -> bytes:
    """Returns what the account of a well-formed link signs."""
    if EVM.fullmatch(link["account"]):
        words = [keccak(text.encode()) for text in (registry, namespace, link["account"])] + [
            bytes.fromhex(link["key"])
        ]
        kind = keccak(b"AccountLink(string registry,string namespace,string account,bytes32 key)")
        domain = [keccak(b"EIP712Domain(string name,string version)"), keccak(b"cryptlet-fabric"), keccak(b"1")]
        return keccak(b"\x19\x01" + keccak(b"".join(domain)) + keccak(b"".join([kind, *words])))
    fields = {name: link[name] for name in ("account", "format", "key")}
    fields |= {"namespace": namespace, "registry": registry}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def holds(link: Mapping[str, Any], registry: str, namespace: str) -> bool:
    """Says whether a document is a link that its account signed for this namespace of this registry."""
    kinds = ((EVM, _evm), (NATIVE, _native), (HYPERLEDGER, _hyperledger))
    found = next(((match, check) for kind, check in kinds if (match := kind.fullmatch(str(link.get("account"))))), None)
    if found is None or not _is_formed(link, has_identity=found[1] is _hyperledger):
        return False
    match, check = found
    signature = bytes.fromhex(link["signature"])
    return check(link, bytes.fromhex(match[1]), signature, message_of(link, registry, namespace))


def _is_formed(link: Mapping[str, Any], *, has_identity: bool) -> bool:
    names = NAMES | {"identity"} if has_identity else NAMES
    return (
        set(link) == names
        and link["format"] == FORMAT
        and re.fullmatch("[0-9a-f]{64}", link["key"]) is not None
        and re.fullmatch("(?:[0-9a-f]{2})*", link["signature"]) is not None
    )


def _evm(_: Mapping[str, Any], address: bytes, signature: bytes, digest: bytes) -> bool:
    if len(signature) != 65 or signature[64] not in (27, 28):
        return False
    if int.from_bytes(signature[32:64], "big") > K256_ORDER // 2:
        return False
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except Exception:  # noqa: BLE001 - the library has no error of its own
        return False
    return keccak(key.format(compressed=False)[1:])[-20:] == address


def _native(_: Mapping[str, Any], key: bytes, signature: bytes, message: bytes) -> bool:
    p, y = ED25519_PRIME, int.from_bytes(key, "little") % 2**255
    if y in {0, 1, p - 1, p, p + 1, Y_OF_ORDER_8, p - Y_OF_ORDER_8}:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _hyperledger(link: Mapping[str, Any], account: bytes, signature: bytes, message: bytes) -> bool:
    identity = link["identity"]
    if set(identity) != {"msp", "public_key"} or not re.fullmatch("[!-~]{1,200}", identity["msp"]):
        return False
    spelled = bytes.fromhex(identity["public_key"])
    tag = b"cryptlet-fabric/hyperledger-account/v1"
    if hashlib.sha256(b"\0".join([tag, identity["msp"].encode(), spelled])).digest() != account:
        return False
    return spelled.startswith(HEAD) and len(spelled) == 91 and _p256(spelled[26:], signature, message)


def _p256(point: bytes, signature: bytes, message: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not (0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2):
        return False
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True
