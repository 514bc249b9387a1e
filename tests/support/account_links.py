"""Links of ledger accounts to publishers, signed by accounts of tests."""

from dataclasses import replace
from typing import Final

import coincurve

from fabric.trust.schemes import address_of
from registry.book.accounts import AccountLink
from tests.support.registries import ALICE, BOB, ORIGIN, Person

SECRET: Final = coincurve.PrivateKey(bytes(31) + b"\x07")
EVM: Final = f"eip155:31337:0x{address_of(SECRET.public_key.format(compressed=False)).hex()}"
NATIVE: Final = f"cryptlet:{'ab' * 16}:{BOB.key.public.hex()}"


def linked(account: str, person: Person = ALICE, registry: str = ORIGIN, namespace: str = "acme") -> AccountLink:
    """Returns a link that the account signed."""
    link = AccountLink(account, person.key.public)
    message = link.message(registry, namespace)
    if account == NATIVE:
        return replace(link, signature=BOB.key.sign(message))
    compact = SECRET.sign_recoverable(message, hasher=None)
    return replace(link, signature=compact[:64] + bytes([compact[64] + 27]))
