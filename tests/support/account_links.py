"""Links of ledger accounts to publishers, signed by accounts of tests, each time with the same bytes."""

from dataclasses import replace
from typing import Final

import coincurve
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fabric.core.ids import sha256
from fabric.trust.schemes import address_of
from registry.book.accounts import AccountLink
from registry.book.hyperledger import ORDER, Identity
from tests.support.registries import ALICE, BOB, ORIGIN, Person

SECRET: Final = coincurve.PrivateKey(bytes(31) + b"\x07")
EVM: Final = f"eip155:31337:0x{address_of(SECRET.public_key.format(compressed=False)).hex()}"
NATIVE: Final = f"cryptlet:{'ab' * 16}:{BOB.key.public.hex()}"
CLIENT: Final = ec.derive_private_key(int.from_bytes(sha256(b"test/client")) % ORDER, ec.SECP256R1())


def spki_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Returns the SubjectPublicKeyInfo of a key, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


IDENTITY: Final = Identity("Org1MSP", spki_of(CLIENT))
CHANNEL: Final = f"hlfabric:{'cd' * 16}"
HYPERLEDGER: Final = f"{CHANNEL}:{IDENTITY.account.hex()}"
ACCOUNTS: Final = (EVM, NATIVE, HYPERLEDGER)
"""One of each kind."""


def linked(account: str, person: Person = ALICE, registry: str = ORIGIN, namespace: str = "acme") -> AccountLink:
    """Returns a link that the account signed."""
    identity = IDENTITY if account.startswith("hlfabric:") else None
    link = AccountLink(account, person.key.public, identity=identity)
    return signed(link, link.message(registry, namespace))


def signed(link: AccountLink, message: bytes) -> AccountLink:
    """Returns a link with a signature of a message by the key of its kind, whatever its account says."""
    sign = {"eip155": sign_evm, "cryptlet": BOB.key.sign, "hlfabric": sign_p256}[link.account.partition(":")[0]]
    return replace(link, signature=sign(message))


def sign_evm(digest: bytes) -> bytes:
    """Signs as a wallet does: r, s, v."""
    compact = SECRET.sign_recoverable(digest, hasher=None)
    return compact[:64] + bytes([compact[64] + 27])


def sign_p256(message: bytes, *, high: bool = False, key: ec.EllipticCurvePrivateKey = CLIENT) -> bytes:
    """Signs as a client of a channel does, r and s of 32 bytes; s in the lower half of the order, or in the upper."""
    made = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(made)
    low = min(s, ORDER - s)
    return r.to_bytes(32, "big") + (ORDER - low if high else low).to_bytes(32, "big")
