"""Links of accounts for tests/vectors/registry.json: of each kind good ones, and each way to be none."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_utils.address import to_checksum_address

from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed
from fabric.trust.schemes import HALF_ORDER
from registry.book.accounts import AccountLink, parse_link
from registry.book.hyperledger import ORDER, Identity
from tests.support.account_links import (
    ACCOUNTS,
    CLIENT,
    EVM,
    HYPERLEDGER,
    IDENTITY,
    NATIVE,
    linked,
    sign_p256,
    signed,
    spki_of,
)
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN

NAMESPACE: Final = "acme"


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


_SECP256K1: Final = 2 * HALF_ORDER + 1
_ELSEWHERE: Final = {EVM: (":31337:", ":1:"), NATIVE: (":abab", ":abac"), HYPERLEDGER: (":cdcd", ":cdce")}
_STRANGER: Final = ec.derive_private_key(5, ec.SECP256R1())
_HEAD: Final = IDENTITY.public_key[:27]
_PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_LOW: Final = (5, 31468013646237722594854082025316614106172411895747863909393730389177298123724)
"""The smallest point of P-256 whose x has a second spelling below 2**256."""


_COMPRESSED: Final = bytes.fromhex(
    "3039301306072a8648ce3d020106082a8648ce3d030107032200"
) + CLIENT.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
_MISSPELLED: Final = {
    "MSP id with a space": replace(IDENTITY, msp="Org1 MSP"),
    "MSP id with a letter that looks like another": replace(IDENTITY, msp="\u041erg1MSP"),
    "MSP id with a zero character": replace(IDENTITY, msp="Org1MSP\0"),
    "MSP id that is empty": replace(IDENTITY, msp=""),
    "a point without its head": replace(IDENTITY, public_key=IDENTITY.public_key[26:]),
    "a compressed point": replace(IDENTITY, public_key=_COMPRESSED),
    "no point of the curve": replace(IDENTITY, public_key=IDENTITY.public_key[:-1] + b"\1"),
    "x beyond the field's prime": replace(IDENTITY, public_key=_HEAD + _words(_LOW[0] + _PRIME, _LOW[1])),
}
"""Each with the account that follows from it, signed by the client's key."""


def links() -> list[dict[str, Any]]:
    """Returns the cases; each says what the account signs, whether the link holds, and if not, why."""
    cases = [*_good(), *_of_every_kind(), *_of_evm(), *_of_native(), *_of_hyperledger()]
    return [_case(name, document) for name, document in cases]


def _case(name: str, document: JsonObject) -> dict[str, Any]:
    told = {"case": name, "registry": ORIGIN, "namespace": NAMESPACE, "document": document}
    try:
        link = parse_link(document)
    except Malformed as error:
        return {**told, "message": None, "holds": False, "said": str(error)}
    message = link.message(ORIGIN, NAMESPACE).hex()
    holds = link.is_signed(ORIGIN, NAMESPACE)
    return {**told, "message": message, "holds": holds, "said": "" if holds else "the account did not sign"}


def _good() -> Iterator[tuple[str, JsonObject]]:
    for account in ACCOUNTS:
        yield f"{_kind(account)}: both sides signed", linked(account).to_json()
    two = replace(IDENTITY, msp="org2.example.com")
    moved = AccountLink(HYPERLEDGER.replace(IDENTITY.account.hex(), two.account.hex()), ALICE.key.public, identity=two)
    yield "hlfabric: the same key in another MSP is another account", _again(moved)


def _of_every_kind() -> Iterator[tuple[str, JsonObject]]:
    for account in ACCOUNTS:
        link, kind = linked(account), _kind(account)
        bit = link.signature[:40] + bytes([link.signature[40] ^ 1]) + link.signature[41:]
        yield f"{kind}: signed for another registry", linked(account, registry="registry.test/two").to_json()
        yield f"{kind}: signed for another namespace", linked(account, namespace="bobs").to_json()
        yield f"{kind}: signed for another publisher", replace(link, key=BOB.key.public).to_json()
        yield (
            f"{kind}: signed for another chain",
            replace(link, account=account.replace(*_ELSEWHERE[account])).to_json(),
        )
        yield f"{kind}: a bit of the signature", replace(link, signature=bit).to_json()
        yield f"{kind}: no signature", replace(link, signature=b"").to_json()
        yield f"{kind}: a byte too many", replace(link, signature=link.signature + b"\0").to_json()
        yield f"{kind}: account in upper case", {**link.to_json(), "account": account.upper()}
        yield f"{kind}: another format", {**link.to_json(), "format": "cryptlet-fabric/account-link/v2"}
        yield f"{kind}: a foreign name", {**link.to_json(), "since": 1}


def _of_evm() -> Iterator[tuple[str, JsonObject]]:
    link = linked(EVM)
    r, s, v = link.signature[:32], int.from_bytes(link.signature[32:64], "big"), link.signature[64]
    high = r + (_SECP256K1 - s).to_bytes(32, "big") + bytes([55 - v])
    yield "eip155: s in the upper half of the order", replace(link, signature=high).to_json()
    yield "eip155: v from 0", replace(link, signature=link.signature[:64] + bytes([v - 27])).to_json()
    yield "eip155: the other v", replace(link, signature=link.signature[:64] + bytes([55 - v])).to_json()
    yield "eip155: another address", replace(link, account=f"eip155:31337:0x{'11' * 20}").to_json()
    yield "eip155: with EIP-55's checksum", {**link.to_json(), "account": EVM[:-42] + to_checksum_address(EVM[-42:])}
    yield "eip155: chain with a leading zero", {**link.to_json(), "account": EVM.replace(":31337:", ":031337:")}
    yield "eip155: with an identity", {**link.to_json(), "identity": IDENTITY.to_json()}


def _of_native() -> Iterator[tuple[str, JsonObject]]:
    link = linked(NATIVE)
    other = NATIVE[:-64] + MALLORY.key.public.hex()
    small = NATIVE[:-64] + (b"\1" + bytes(31)).hex()
    yield "cryptlet: another key", replace(link, account=other).to_json()
    yield "cryptlet: a key of small order", replace(link, account=small, signature=b"\1" + bytes(63)).to_json()


def _of_hyperledger() -> Iterator[tuple[str, JsonObject]]:
    link = linked(HYPERLEDGER)
    message = link.message(ORIGIN, NAMESPACE)
    r, s = (int.from_bytes(part, "big") for part in (link.signature[:32], link.signature[32:]))
    key = spki_of(_STRANGER)
    yield "hlfabric: s in the upper half of the order", replace(link, signature=sign_p256(message, high=True)).to_json()
    yield "hlfabric: signed by another key", replace(link, signature=sign_p256(message, key=_STRANGER)).to_json()
    longer = link.signature[:32] + b"\0" + link.signature[32:]
    yield "hlfabric: s in 33 bytes", replace(link, signature=longer).to_json()
    yield "hlfabric: in DER", replace(link, signature=encode_dss_signature(r, s)).to_json()
    yield "hlfabric: r beyond the order", replace(link, signature=_words(ORDER + 1, s)).to_json()
    yield "hlfabric: zeros", replace(link, signature=bytes(64)).to_json()
    yield "hlfabric: another MSP", replace(link, identity=replace(IDENTITY, msp="Org2MSP")).to_json()
    yield "hlfabric: another key", replace(link, identity=replace(IDENTITY, public_key=key)).to_json()
    yield "hlfabric: the account of another key", _again(replace(link, identity=Identity("Org1MSP", key)))
    bare = link.to_json()
    del bare["identity"]
    yield "hlfabric: no identity", bare
    yield (
        "hlfabric: a certificate beside it",
        {**link.to_json(), "identity": {**IDENTITY.to_json(), "certificate": "00"}},
    )
    for name, identity in _MISSPELLED.items():
        account = HYPERLEDGER.replace(IDENTITY.account.hex(), identity.account.hex())
        yield f"hlfabric: {name}", _again(replace(link, account=account, identity=identity))


def _again(link: AccountLink) -> JsonObject:
    """Returns a link signed as it is."""
    return signed(link, link.message(ORIGIN, NAMESPACE)).to_json()


def _kind(account: str) -> str:
    return account.partition(":")[0]
