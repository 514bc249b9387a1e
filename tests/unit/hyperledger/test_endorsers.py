"""What a policy trusts of a channel: its spelling, and who satisfies an endorsement policy."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger.certificates import read_certificate
from adapters.hyperledger.endorsers import Endorser, parse_trust
from adapters.hyperledger.policies import is_satisfied, parse_policy
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from tests.support.msp import START, Authority, Member
from tests.support.readbacks import INTERMEDIATE, PEERS, ROOTS, TRUST

NAMES = ("A", "B", "C")
AUTHORITIES = {name: Authority(name) for name in NAMES}


def endorser(name: str) -> tuple[str, str]:
    """Returns an endorser by organisation, role and number: ``A.peer.0``."""
    msp, role, number = name.split(".")
    member = AUTHORITIES[msp].member(f"{role} {number}", "" if role == "member" else role)
    return Endorser(msp, read_certificate(member.pem)).who


AND = {"n": 2, "of": ["A.peer", "B.peer"]}
OR = {"n": 1, "of": ["A.peer", "B.peer"]}
TWO_OF_THREE = {"n": 2, "of": ["A.peer", "B.peer", "C.peer"]}
TWICE = {"n": 2, "of": ["A.peer", "A.peer"]}
ANY_AND_PEER = {"n": 2, "of": ["A.member", "A.peer"]}
GREEDY = {"n": 2, "of": [{"n": 1, "of": [TWICE, "B.peer"]}, "A.peer"]}
NESTED = {"n": 2, "of": [OR, {"n": 1, "of": [AND, "C.admin"]}]}


@pytest.mark.parametrize(
    ("policy", "names", "holds"),
    [
        ("A.peer", "A.peer.0", True),
        ("A.peer", "A.client.0", False),
        ("A.peer", "A.member.0", False),
        ("A.peer", "B.peer.0", False),
        ("A.peer", "", False),
        ("A.member", "A.member.0", True),
        ("A.member", "A.orderer.0", True),
        ("A.admin", "A.admin.0", True),
        (AND, "A.peer.0 B.peer.0", True),
        (AND, "A.peer.0 A.peer.1", False),
        (AND, "A.peer.0", False),
        (OR, "B.peer.0", True),
        (OR, "C.peer.0", False),
        (TWO_OF_THREE, "A.peer.0 C.peer.0", True),
        (TWO_OF_THREE, "B.peer.0 B.peer.1", False),
        (TWICE, "A.peer.0", False),
        (TWICE, "A.peer.0 A.peer.1", True),
        (ANY_AND_PEER, "A.peer.0", False),
        (ANY_AND_PEER, "A.peer.0 A.client.0", True),
        (ANY_AND_PEER, "A.client.0 A.client.1", False),
        (GREEDY, "A.peer.0 A.peer.1", False),
        (GREEDY, "A.peer.0 B.peer.0", True),
        (GREEDY, "A.peer.0 A.peer.1 B.peer.0", True),
        (NESTED, "A.peer.0 B.peer.0", False),
        (NESTED, "A.peer.0 B.peer.0 A.peer.1", True),
        (NESTED, "B.peer.0 C.admin.0", True),
    ],
)
def test_a_policy_is_satisfied_by_endorsers_of_its_own(policy: JsonValue, names: str, holds: bool) -> None:  # noqa: FBT001
    endorsers = [endorser(name) for name in names.split()]
    for order in permutations(endorsers):
        assert is_satisfied(parse_policy(policy, "policy"), order) is holds


def test_a_policy_that_takes_too_long_to_decide_is_not_satisfied() -> None:
    hard: JsonValue = {"n": 20, "of": [{"n": 1, "of": ["A.peer", "B.peer", "C.peer"]}] * 20}
    endorsers = [endorser(f"{name}.peer.{at}") for name in NAMES for at in range(6)]
    assert not is_satisfied(parse_policy(hard, "policy"), endorsers)


def test_an_empty_trust_is_none() -> None:
    assert parse_trust({}) is None


def test_the_reason_why_an_endorser_does_not_count() -> None:
    parsed = parse_trust(TRUST)
    assert parsed
    good = Endorser("Org2MSP", read_certificate(PEERS[1].pem))
    assert good.why_not(parsed.msps, START) is None
    stranger = Endorser("Org3MSP", good.certificate)
    assert stranger.why_not(parsed.msps, START) == "organisation 'Org3MSP' is not among the trusted ones"


def test_an_authority_keeps_its_path_length() -> None:
    lower = Authority("Org2MSP", "lower", INTERMEDIATE)
    deep = Endorser("Org2MSP", read_certificate(lower.member("peer0").pem))
    root = ROOTS["Org2MSP"]
    for length, counts in ((None, True), (2, True), (1, False)):
        short = root.certify(root.subject(), root.key, authority=True, path_length=length)
        pem = Member("Org2MSP", short, root.key).pem.decode()
        organisation: JsonObject = {"roots": [pem], "intermediates": [INTERMEDIATE.pem, lower.pem]}
        parsed = parse_trust(change(msps={"Org2MSP": organisation}, policy="Org2MSP.peer"))
        assert parsed
        assert (deep.why_not(parsed.msps, START) is None) is counts


def change(**changes: Any) -> JsonObject:  # noqa: ANN401
    return TRUST | changes


MSPS: Any = TRUST["msps"]
PEER: str = PEERS[0].pem.decode()
DEEP: Any = "Org1MSP.peer"
for _ in range(9):
    DEEP = {"n": 1, "of": [DEEP]}


@pytest.mark.parametrize(
    "value",
    [
        change(more=1),
        {name: each for name, each in TRUST.items() if name != "policy"},
        change(channel="A"),
        change(chaincode=""),
        change(msps={}),
        change(msps=[]),
        change(msps=MSPS | {"Org1MSP": {"roots": [], "intermediates": []}}),
        change(msps=MSPS | {"Org1MSP": {"roots": MSPS["Org1MSP"]["roots"]}}),
        change(msps=MSPS | {"Org1MSP": {"roots": [PEER], "intermediates": []}}),
        change(msps=MSPS | {"Org1MSP": {"roots": ["no certificate"], "intermediates": []}}),
        change(msps=MSPS | {"Org1MSP": {"roots": MSPS["Org1MSP"]["roots"] * 17, "intermediates": []}}),
        change(policy=""),
        change(policy="Org1MSP"),
        change(policy="Org1MSP.nobody"),
        change(policy=".peer"),
        change(policy="Org3MSP.peer"),
        change(policy={"n": 0, "of": ["Org1MSP.peer"]}),
        change(policy={"n": 2, "of": ["Org1MSP.peer"]}),
        change(policy={"n": 1, "of": []}),
        change(policy={"n": True, "of": ["Org1MSP.peer"]}),
        change(policy={"n": 1, "of": ["Org1MSP.peer"] * 65}),
        change(policy={"n": 1, "of": [{"n": 1, "of": ["Org1MSP.peer"] * 33}] * 2}),
        change(policy={"n": 1}),
        change(policy=None),
        change(policy=DEEP),
    ],
    ids=range(25),
)
def test_an_ill_formed_trust_is_malformed(value: JsonObject) -> None:
    with pytest.raises(Malformed, match=r"trust|certificate"):
        parse_trust(value)


policies: Any = st.recursive(
    st.sampled_from(["Org1MSP.peer", "Org2MSP.member", "x", "", 7]),
    lambda inner: st.fixed_dictionaries({"n": st.integers(-1, 4), "of": st.lists(inner, max_size=4)}),
)


@given(policies)
def test_any_policy_gives_a_value_or_malformed(policy: JsonValue) -> None:
    try:
        parsed = parse_trust(TRUST | {"policy": policy})
    except Malformed:
        return
    assert parsed
    assert not is_satisfied(parsed.policy, [])
