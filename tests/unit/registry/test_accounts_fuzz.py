"""Account links from anybody: whatever comes is a link, malformed, or refused, and never another error."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, Refused
from registry.book.accounts import AccountLink, parse_link
from registry.book.bodies import Link, read_body
from registry.book.hyperledger import ORDER, Identity, parse_identity
from registry.book.rules import check
from tests.support.account_links import ACCOUNTS, HYPERLEDGER, IDENTITY, linked, spki_of
from tests.support.books import entry, founded
from tests.support.registries import ALICE, ORIGIN

BOOK: Final = founded()
HEX: Final = st.text("0123456789abcdef", max_size=200)
WORD: Final = st.binary(min_size=32, max_size=32).map(bytes.hex)
CHAIN: Final = st.binary(min_size=16, max_size=16).map(bytes.hex)
ACCOUNT: Final = st.one_of(
    st.sampled_from(ACCOUNTS),
    st.text(max_size=220),
    st.builds("eip155:{}:0x{}".format, st.integers(0, 10**40), st.binary(min_size=20, max_size=20).map(bytes.hex)),
    st.builds("cryptlet:{}:{}".format, CHAIN, WORD),
    st.builds("hlfabric:{}:{}".format, CHAIN, WORD),
)
SIGNATURE: Final = st.one_of(
    st.binary(max_size=80), st.binary(min_size=64, max_size=64), st.binary(min_size=65, max_size=65)
)
POINT: Final = st.binary(min_size=64, max_size=64).map(lambda point: (IDENTITY.public_key[:27] + point).hex())
KEY: Final = st.integers(1, ORDER - 1).map(lambda number: spki_of(ec.derive_private_key(number, ec.SECP256R1())).hex())
ANY: Final[st.SearchStrategy[JsonValue]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=12,
)
IDENTITIES: Final[st.SearchStrategy[JsonValue]] = st.fixed_dictionaries(
    {"msp": st.text(max_size=220) | st.just("Org1MSP"), "public_key": KEY | POINT | HEX}
)
FIELDS: Final[dict[str, st.SearchStrategy[JsonValue]]] = {
    "account": ACCOUNT | ANY,
    "format": st.just("cryptlet-fabric/account-link/v1") | ANY,
    "key": st.just(ALICE.key.public.hex()) | WORD | HEX | ANY,
    "signature": SIGNATURE.map(bytes.hex) | HEX | ANY,
    "identity": ANY | IDENTITIES,
}
DOCUMENT: Final = st.fixed_dictionaries({}, optional=FIELDS) | ANY


def _told(document: JsonObject) -> bool:
    """Says whether the rules take a link; raises whatever is not the project's word for what they do not take."""
    try:
        check(BOOK, entry(BOOK, "acme", Link(document), [ALICE]))
    except (Malformed, Refused):
        return False
    return True


@given(DOCUMENT)
def test_any_document_is_a_link_or_malformed(document: JsonValue) -> None:
    with suppress(Malformed):
        link = parse_link(document)
        assert link.to_json() == document
        assert type(link.is_signed(ORIGIN, "acme")) is bool


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), ANY, max_size=3), st.sampled_from(ACCOUNTS))
def test_no_field_of_a_link_can_be_put_in_anothers_place(changes: JsonObject, account: str) -> None:
    good = linked(account).to_json()
    spoiled = {**good, **changes}
    try:
        link = parse_link(spoiled)
    except Malformed:
        return
    assert spoiled == good or not link.is_signed(ORIGIN, "acme")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_body_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        body = read_body("link", canonical.decode(data))
        assert isinstance(body, Link)
        assert not _told(body.document)


@given(ACCOUNT, st.binary(max_size=40), SIGNATURE, st.none() | st.just(IDENTITY))
def test_a_link_that_nobody_parsed_is_signed_or_not(
    account: str, key: bytes, signature: bytes, identity: Identity | None
) -> None:
    assert AccountLink(account, key, signature, identity).is_signed(ORIGIN, "acme") is False


@pytest.mark.parametrize("account", ACCOUNTS)
@given(signature=SIGNATURE)
def test_no_other_signature_holds(account: str, signature: bytes) -> None:
    link = linked(account)
    assert replace(link, signature=signature).is_signed(ORIGIN, "acme") is (signature == link.signature)


@given(st.text(max_size=30) | st.text("abcMSP.-0123", max_size=30), KEY | POINT | HEX)
def test_any_identity_is_one_or_malformed(msp: str, key: str) -> None:
    fields: JsonObject = {"msp": msp, "public_key": key}
    with suppress(Malformed):
        identity = parse_identity(fields)
        assert identity.to_json() == fields
        assert len(identity.account) == 32


@given(st.binary(max_size=100), st.binary(max_size=80))
def test_any_signature_of_any_message_is_the_keys_or_not(signature: bytes, message: bytes) -> None:
    assert IDENTITY.signed(signature, message) is False


@pytest.mark.parametrize("account", ACCOUNTS)
@given(data=st.data())
def test_bytes_changed_anywhere_are_no_link(account: str, data: st.DataObject) -> None:
    """Whatever is cut out, put in or changed: nothing of a link is free."""
    good = canonical.encode(linked(account).to_json())
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 8)))
    spoiled = good[:start] + data.draw(st.binary(max_size=8)) + good[end:]
    if spoiled == good:
        return
    try:
        document = canonical.decode_object(spoiled)
    except Malformed:
        return
    assert not _told(document)


def test_the_link_that_is_spoiled_here_is_a_good_one() -> None:
    assert all(_told(linked(account).to_json()) for account in ACCOUNTS)
    assert _told(parse_link(linked(HYPERLEDGER).to_json()).to_json())
