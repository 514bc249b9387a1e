"""The embedded ledger's endorsement policies: their text, and who satisfies them."""

from pathlib import Path

import pytest

from adapters.hyperledger.embedded.endorser import choose
from adapters.hyperledger.embedded.identities import Identity, Member
from adapters.hyperledger.embedded.policies import OutOf, Principal, is_satisfied, parse_policy
from fabric.core.errors import ConfigError
from tests.support.hl_books import Books

A, B, C = "'Org1MSP.peer'", "'Org2MSP.peer'", "'Org3MSP.peer'"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books.make(tmp_path_factory.mktemp("ledger"))


def test_text() -> None:
    one, two = Principal("Org1MSP", "peer"), Principal("Org2.MSP", "member")
    assert parse_policy("'Org1MSP.peer'") == one
    assert parse_policy("AND('Org1MSP.peer', 'Org2.MSP.member')") == OutOf(2, (one, two))
    assert parse_policy(" OR ( 'Org1MSP.peer','Org2.MSP.member' ) ") == OutOf(1, (one, two))
    nested = OutOf(2, (one, OutOf(1, (two, one)), two))
    assert parse_policy("OutOf(2,'Org1MSP.peer',OR('Org2.MSP.member','Org1MSP.peer'),'Org2.MSP.member')") == nested


BAD = {
    "": "not understood",
    "AND()": "not understood|expected",
    "AND('Org1MSP.peer'": "not understood",
    "AND('Org1MSP.peer'))": "nothing may follow",
    "'Org1MSP'": "no organisation and role",
    "'Org1MSP.king'": "roles are",
    "OutOf('Org1MSP.peer')": "expected a number|not understood",
    "OutOf(0,'Org1MSP.peer')": "at least 1",
    "OutOf(2,'Org1MSP.peer')": "can never be",
    "NOT('Org1MSP.peer')": "not understood",
    "AND(" * 40 + "'Org1MSP.peer'" + ")" * 40: "deeper",
}


@pytest.mark.parametrize(("text", "reason"), BAD.items(), ids=range(len(BAD)))
def test_what_is_no_policy(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_policy(text)


def _identity(member: Member) -> Identity:
    return Identity(member.msp, member.certificate, member.encoded)


SATISFIED = [
    (f"AND({A},{B})", "12", True),
    (f"AND({A},{B})", "1", False),
    (f"OR({A},{B})", "2", True),
    (f"OR({A},{B})", "3", False),
    (f"OutOf(2,{A},{B},{C})", "13", True),
    (f"OutOf(2,{A},{B},{C})", "3", False),
    (f"AND({A},OR({B},{C}))", "13", True),
    (f"AND({A},{A})", "1", False),
    (f"AND({A},OR({A},{B}))", "1", False),
    (f"AND({A},OR({A},{B}))", "12", True),
    ("'Org1MSP.member'", "1", True),
    ("'Org1MSP.client'", "1", False),
    ("'Org1MSP.admin'", "1", False),
    ("'OrdererMSP.orderer'", "1", False),
    # As real peers go: every rule takes all whom it finds, in the order in which it is written.
    (f"AND(OR({A},{B}),{A})", "12", False),
    (f"AND(OR({B},{A}),{A})", "12", False),
    (f"AND({A},OR({B},{A}))", "12", True),
]


@pytest.mark.parametrize(("text", "who", "expected"), SATISFIED)
def test_who_satisfies_it(books: Books, text: str, who: str, expected: bool) -> None:  # noqa: FBT001 - of a table
    identities = [_identity(books.network.peers[f"Org{number}MSP"]) for number in who]
    assert is_satisfied(parse_policy(text), identities) is expected


CHOSEN = [
    (f"AND({A},{B})", "12"),
    (f"OR({A},{B})", "1"),
    (f"OR({B},{C})", "2"),
    (f"OutOf(2,{A},{B},{C})", "12"),
    (f"AND({C},{B})", "23"),
    ("'Org1MSP.client'", ""),
    (f"AND({A},{A})", ""),
]


@pytest.mark.parametrize(("text", "who"), CHOSEN)
def test_as_few_peers_as_possible_are_asked(books: Books, text: str, who: str) -> None:
    chosen = choose(parse_policy(text), list(books.ledger.peers.values()))
    assert "".join(peer.member.msp[3] for peer in chosen) == who


def test_a_policy_that_cannot_be_read_keeps_the_ledger_from_starting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="endorsement policy"):
        Books.make(tmp_path, "AND(")
