"""Account links: both sides sign, for one namespace of one registry; nothing else holds."""

from dataclasses import replace

import pytest

from fabric.core.errors import Malformed, Refused
from registry.book.accounts import AccountLink, parse_link
from registry.book.bodies import Link
from registry.book.rules import check
from tests.support.account_links import EVM, NATIVE, linked
from tests.support.books import entry, founded, log
from tests.support.registries import ALICE, BOB, MALLORY, owners


@pytest.mark.parametrize("account", [EVM, NATIVE])
def test_a_link_is_logged(account: str) -> None:
    book, link = founded(), linked(account)
    assert parse_link(link.to_json()) == link
    log(book, "acme", Link(link.to_json()), ALICE)
    assert [item.document["account"] for item in book.holdings["acme"].links.values()] == [account]


@pytest.mark.parametrize("account", [EVM, NATIVE])
def test_no_byte_of_a_link_is_free(account: str) -> None:
    book, link = founded(), linked(account)
    for at in range(len(link.signature)):
        spoiled = link.signature[:at] + bytes([link.signature[at] ^ 1]) + link.signature[at + 1 :]
        with pytest.raises(Refused, match="the account did not sign"):
            check(book, entry(book, "acme", Link(replace(link, signature=spoiled).to_json()), [ALICE]))


@pytest.mark.parametrize("account", [EVM, NATIVE])
@pytest.mark.parametrize("other", ["registry", "namespace"])
def test_a_link_of_elsewhere_is_none_here(account: str, other: str) -> None:
    book = founded()
    link = linked(account, registry="registry.test/two") if other == "registry" else linked(account, namespace="bobs")
    with pytest.raises(Refused, match="the account did not sign"):
        check(book, entry(book, "acme", Link(link.to_json()), [ALICE]))


def test_an_address_on_another_chain_is_another_account() -> None:
    book, link = founded(), linked(EVM)
    elsewhere = replace(link, account=EVM.replace(":31337:", ":1:"))
    with pytest.raises(Refused, match="the account did not sign"):
        check(book, entry(book, "acme", Link(elsewhere.to_json()), [ALICE]))


def test_the_publisher_it_names_must_sign_and_own() -> None:
    book = founded()
    log(book, "acme", owners(ALICE, BOB), ALICE)
    with pytest.raises(Refused, match="is no owner that signed this entry"):
        check(book, entry(book, "acme", Link(linked(EVM).to_json()), [BOB]))
    with pytest.raises(Refused, match="is no owner that signed this entry"):
        check(book, entry(book, "acme", Link(linked(EVM, MALLORY).to_json()), [ALICE]))


@pytest.mark.parametrize("account", ["eip155:1:0xAB", EVM.upper(), "solana:x:y", NATIVE + "0", ""])
def test_what_is_no_account_is_malformed(account: str) -> None:
    with pytest.raises(Malformed, match=r"link\.account"):
        parse_link({**AccountLink(EVM, ALICE.key.public, b"x").to_json(), "account": account})
