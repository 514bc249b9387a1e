"""Account links: a publisher's key and a ledger account sign each other (docs/spec/accounts.md).

The entry is the publisher's signature over the account; the document in it holds the account's over the publisher.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.trust.eip712 import plain_domain_separator, struct_hash, typed_digest
from fabric.trust.fields import read_choice, read_hex, read_object, read_text
from fabric.trust.schemes import is_ed25519, recover_address
from registry.book.hyperledger import Identity, parse_identity

FORMAT: Final = "cryptlet-fabric/account-link/v1"
_NAMES: Final = frozenset(("account", "format", "key", "signature"))
_IDENTITY: Final = "identity"
_TYPE: Final = b"AccountLink(string registry,string namespace,string account,bytes32 key)"
_EVM: Final = re.compile(r"eip155:(?:[1-9][0-9]{0,31}):0x([0-9a-f]{40})")
_NATIVE: Final = re.compile(r"cryptlet:[0-9a-f]{32}:([0-9a-f]{64})")
_HYPERLEDGER: Final = re.compile(r"hlfabric:[0-9a-f]{32}:([0-9a-f]{64})")
SPELLED: Final = "eip155:CHAIN:0xADDRESS, cryptlet:HALF:KEY or hlfabric:HALF:ACCOUNT"
"""How accounts are spelled, for messages; HALF is the first half of a ledger's id."""


@dataclass(frozen=True)
class AccountLink:
    """An account's word that a publisher is the same person.

    Attributes:
        account: CAIP-10, lower case: ``eip155:CHAIN:0xADDRESS``, ``cryptlet:HALF-DESTINATION:KEY`` of a native log, or
            ``hlfabric:HALF-BLOCK:ACCOUNT`` of a channel.
        key: the publisher's Ed25519 key.
        signature: of the account: 65 bytes on an EVM ledger, 64 on the others.
        identity: whose digest an account of a channel is; None on the others.
    """

    account: str
    key: bytes
    signature: bytes = b""
    identity: Identity | None = None

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        fields: JsonObject = {
            "account": self.account,
            "format": FORMAT,
            "key": self.key.hex(),
            "signature": self.signature.hex(),
        }
        return fields if self.identity is None else {**fields, _IDENTITY: self.identity.to_json()}

    def message(self, registry: str, namespace: str) -> bytes:
        """Returns what the account signs: an EIP-712 digest on an EVM ledger, canonical JSON on the others."""
        if _EVM.fullmatch(self.account):
            texts = (registry, namespace, self.account)
            words = b"".join(keccak(text.encode()) for text in texts) + self.key
            return typed_digest(plain_domain_separator(), struct_hash(_TYPE, words))
        fields: JsonObject = {
            "account": self.account,
            "format": FORMAT,
            "key": self.key.hex(),
            "namespace": namespace,
            "registry": registry,
        }
        return canonical.encode(fields)

    def is_signed(self, registry: str, namespace: str) -> bool:
        """Says whether the account signed it for this namespace of this registry."""
        for pattern, check in _SCHEMES.items():
            if found := pattern.fullmatch(self.account):
                return check(self, bytes.fromhex(found[1]), self.message(registry, namespace))
        return False


def parse_link(value: JsonValue) -> AccountLink:
    """Reads what ``AccountLink.to_json`` writes; raises ``Malformed``. Does not check the signature."""
    has_identity = isinstance(value, dict) and _IDENTITY in value
    fields = read_object(value, _NAMES | {_IDENTITY} if has_identity else _NAMES, "link")
    read_choice(fields["format"], (FORMAT,), "link.format")
    account = read_text(fields["account"], "link.account")
    if not any(pattern.fullmatch(account) for pattern in _SCHEMES):
        raise Malformed("link.account", f"expected {SPELLED}, in lower case, got {ascii(account)[:120]}")
    if has_identity is not bool(_HYPERLEDGER.fullmatch(account)):
        raise Malformed("link.identity", "expected of an account of Hyperledger, and of no other")
    return AccountLink(
        account,
        read_hex(fields["key"], "link.key", 32),
        read_hex(fields["signature"], "link.signature"),
        parse_identity(fields[_IDENTITY]) if has_identity else None,
    )


def _by_evm(link: AccountLink, address: bytes, digest: bytes) -> bool:
    return recover_address(digest, link.signature) == address


def _by_native(link: AccountLink, key: bytes, message: bytes) -> bool:
    return is_ed25519(key, link.signature, message)


def _by_hyperledger(link: AccountLink, account: bytes, message: bytes) -> bool:
    identity = link.identity
    return identity is not None and identity.account == account and identity.signed(link.signature, message)


_SCHEMES: Final[Mapping[re.Pattern[str], Callable[[AccountLink, bytes, bytes], bool]]] = {
    _EVM: _by_evm,
    _NATIVE: _by_native,
    _HYPERLEDGER: _by_hyperledger,
}
