"""Receipts by read-backs: what holds is shown, and each step of the check refuses what is its own to refuse."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger.destination import Hyperledger
from adapters.hyperledger.readback import STEPS
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.ledger.rules.entries import BatchEntry
from fabric.trust.batch import Header
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.kind import Anchorage, Source, Status
from tests.support.error_tree import ROOT
from tests.support.msp import START, YEAR, Authority, Member
from tests.support.readback_cases import STEP_CASES
from tests.support.readbacks import (
    ANCHORED,
    BATCH,
    BLOCK,
    DESTINATION,
    HEADER,
    KEY,
    PEERS,
    ROOTS,
    TRANSACTION,
    TRUST,
    Recipe,
    receipt,
    text,
)
from tests.support.trust_samples import word
from tests.vectors.gen_hyperledger import document

VECTOR = ROOT / "tests/vectors/hyperledger_receipt.json"
PEERS_VECTOR = ROOT / "tests/vectors/hyperledger_peers.json"
ORG1 = ROOTS["Org1MSP"]
ONE: JsonObject = TRUST | {"policy": "Org1MSP.peer"}
"""A policy that one peer satisfies, so that what another endorser does is not hidden by its being missing."""
ROGUE = Authority("Org1MSP", "rogue")
AUTHORITY = Member("Org1MSP", ORG1.certificate, ORG1.key)


def check(material: JsonObject, trust: JsonObject = TRUST, destination: Destination = DESTINATION) -> Anchorage:
    return Hyperledger().check_receipt(destination, HEADER, material, trust)


def test_what_it_shows() -> None:
    where = f"block {BLOCK} transaction {TRANSACTION}"
    assert check(receipt()) == Anchorage(Status.FINAL, Source.PROVEN, ANCHORED, BLOCK, where)


def test_without_trust_it_shows_less() -> None:
    shown = check(receipt(), {})
    assert (shown.status, shown.source) == (Status.INCLUDED, Source.ASSERTED)


def test_other_keys_may_be_read_with_it() -> None:
    state = {"batch/none": None, KEY: (BATCH.encoded, (BLOCK, TRANSACTION)), "genesis": (b"{}", (0, 0))}
    recipe = Recipe(state=state, reads=(("genesis", (0, 0)), ("batch/none", None), (KEY, (BLOCK, TRANSACTION))))
    assert check(receipt(recipe)).position == BLOCK


def test_ed25519_endorsers_count() -> None:
    assert check(receipt(Recipe(peers=(ORG1.member("ed", curve=None),))), ONE).status is Status.FINAL


@pytest.mark.parametrize(
    ("step", "recipe"),
    [
        pytest.param(step, recipe, id=f"{step}: {name}")
        for step, table in STEP_CASES.items()
        for name, recipe in table.items()
    ],
)
def test_each_step_refuses_its_own(step: str, recipe: Recipe) -> None:
    with pytest.raises(VerificationError) as caught:
        check(receipt(recipe))
    assert caught.value.step == "settlement"
    assert caught.value.reason.startswith(f"read-back, step {STEPS.index(step) + 1} {step}: ")


@pytest.mark.parametrize("step", STEPS[:-1])
def test_without_trust_all_but_the_last_step_are_made(step: str) -> None:
    for recipe in STEP_CASES[step].values():
        with pytest.raises(VerificationError, match=f" {step}: "):
            check(receipt(recipe), {})


def test_the_policy_names_channel_and_chaincode() -> None:
    for name in ("channel", "chaincode"):
        with pytest.raises(VerificationError, match="step 1 header: the policy trusts another"):
            check(receipt(), TRUST | {name: "other"})


def test_the_steps_are_those_of_the_page() -> None:
    page = (ROOT / "docs/spec/hyperledger.md").read_text().partition("### Check")[2]
    assert tuple(re.findall(r"^\d\. `(\w+)`: ", page, re.MULTILINE)) == STEPS


def test_a_transaction_that_a_block_holds_and_that_is_invalid_is_refused() -> None:
    """Its batch was never written: endorsers who are asked read nothing back."""
    with pytest.raises(VerificationError, match=f"settlement: the state holds nothing under {KEY}"):
        check(receipt(Recipe(state={KEY: None})))


def test_the_endorsed_answer_of_the_transaction_itself_is_no_read_back() -> None:
    applied = Recipe(function=b"apply", keys=(b"{}",), reads=((KEY, None),), writes=(KEY,))
    with pytest.raises(VerificationError, match="step 3 call"):
        check(receipt(applied))


@pytest.mark.parametrize(
    "entry",
    [replace(BATCH, count=2), replace(BATCH, root=word("other"))],
    ids=["count", "root"],
)
def test_a_batch_of_another_count_or_root_is_refused(entry: BatchEntry) -> None:
    with pytest.raises(VerificationError, match="another count or root"):
        check(receipt(Recipe(state={KEY: (entry.encoded, (1, 1))})))


def test_a_value_that_is_no_batch_is_refused() -> None:
    with pytest.raises(VerificationError, match="settlement: state: batch entry"):
        check(receipt(Recipe(state={KEY: (b"value", (1, 1))})))


def test_a_read_back_of_other_keys_is_refused() -> None:
    with pytest.raises(VerificationError, match="holds nothing under"):
        check(receipt(Recipe(state={"batch/other": (BATCH.encoded, (1, 1))})))


@pytest.mark.parametrize("name", ["chain", "genesis", "settlement", "salt"])
def test_a_receipt_of_another_deployment_is_refused(name: str) -> None:
    with pytest.raises(VerificationError, match="settlement"):
        check(receipt(), destination=parse_destination(DESTINATION.to_json() | {name: word("other").hex()}))


def test_an_expired_intermediate_leads_nowhere() -> None:
    expired = Authority("Org2MSP", "expired", ROOTS["Org2MSP"])
    old = ROOTS["Org2MSP"].certify(expired.subject(), expired.key, authority=True, start=START - YEAR, end=START - 1)
    msps: Any = TRUST["msps"]
    pem = Member("Org2MSP", old, expired.key).pem.decode()
    trust = TRUST | {"msps": msps | {"Org2MSP": msps["Org2MSP"] | {"intermediates": [pem]}}}
    with pytest.raises(VerificationError, match="does not chain to a root of Org2MSP"):
        check(receipt(Recipe(peers=(PEERS[0], expired.member("peer0")))), trust)


def test_without_its_intermediate_a_certificate_leads_nowhere() -> None:
    msps: Any = TRUST["msps"]
    trust = TRUST | {"msps": msps | {"Org2MSP": msps["Org2MSP"] | {"intermediates": []}}}
    with pytest.raises(VerificationError, match="does not chain to a root of Org2MSP"):
        check(receipt(), trust)


def change(path: str, value: object) -> Callable[[JsonObject], JsonObject]:
    def changed(whole: JsonObject) -> JsonObject:
        read: Any = whole["read"]
        return {"read": read | {path: value}}

    return changed


FIRST: Any = Recipe().make()["endorsements"]


@pytest.mark.parametrize(
    "changed",
    [
        change("more", 1),
        change("channel_header", "!"),
        change("channel_header", "AA"),
        change("channel_header", text(b"\xff")),
        change("channel_header", text(bytes(1 << 20) + b"\0")),
        change("signature_header", 7),
        change("payload", None),
        change("response", text(b"\x0a")),
        change("endorsements", []),
        change("endorsements", {}),
        change("endorsements", FIRST[::-1]),
        change("endorsements", FIRST[:1] * 2),
        change("endorsements", [FIRST[0] | {"more": 1}]),
        change("endorsements", [FIRST[0] | {"endorser": text(b"\x0a\x01")}]),
        change("endorsements", FIRST[:1] * 65),
        lambda whole: whole | {"more": 1},
        lambda _: {},
        lambda _: {"read": []},
    ],
    ids=range(18),
)
def test_what_is_no_material_is_malformed(changed: Callable[[JsonObject], JsonObject]) -> None:
    with pytest.raises(Malformed):
        check(changed(receipt()))


def bytes_of(value: JsonValue) -> bytes:
    assert isinstance(value, str)
    return base64.b64decode(value)


@given(st.data())
def test_no_byte_is_free(data: st.DataObject) -> None:
    whole: Any = receipt()["read"]
    parts = [(whole, name) for name in ("channel_header", "signature_header", "payload", "response")]
    parts += [(each, name) for each in whole["endorsements"] for name in ("endorser", "signature")]
    holder, name = data.draw(st.sampled_from(parts))
    raw = bytearray(bytes_of(holder[name]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    holder[name] = text(bytes(raw))
    for trust in (TRUST, {}):
        with pytest.raises((VerificationError, Malformed)):
            check({"read": whole}, trust)


@given(st.data())
def test_bytes_that_move_from_one_part_to_the_next_mean_nothing(data: st.DataObject) -> None:
    """The proposal hash is over three parts without their lengths."""
    whole: Any = receipt()["read"]
    names = ("channel_header", "signature_header", "payload")
    joined = b"".join(bytes_of(whole[name]) for name in names)
    first, second = sorted((data.draw(st.integers(0, len(joined))), data.draw(st.integers(0, len(joined)))))
    split = (joined[:first], joined[first:second], joined[second:])
    if split == tuple(bytes_of(whole[name]) for name in names):
        return
    whole |= dict(zip(names, map(text, split), strict=True))
    with pytest.raises((VerificationError, Malformed)):
        check({"read": whole}, {})


parts_ = st.binary(max_size=80).map(text)
JUNK = st.fixed_dictionaries(
    {
        **dict.fromkeys(("channel_header", "signature_header", "payload", "response"), parts_),
        "endorsements": st.lists(st.fixed_dictionaries({"endorser": parts_, "signature": parts_}), max_size=3),
    }
)


@given(JUNK)
def test_any_bytes_are_refused(read: JsonObject) -> None:
    with pytest.raises((Malformed, VerificationError)):
        check({"read": read})


@given(st.data())
def test_a_spoiled_message_under_right_hashes_and_signatures_is_refused_or_holds(data: st.DataObject) -> None:
    """An endorser of the policy may sign any bytes; none of them may break the reader."""
    recipe = Recipe()
    response = bytearray(recipe.respond(recipe.proposed()))
    at = data.draw(st.integers(0, len(response) - 1))
    response[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    whole = recipe.make() | {"response": text(bytes(response)), "endorsements": recipe.endorse(bytes(response))}
    try:
        shown = check({"read": whole})
    except (Malformed, VerificationError):
        return
    assert shown.status is Status.FINAL


def test_the_vectors_end_as_they_say() -> None:
    vector = json.loads(VECTOR.read_text())
    destination, header = parse_destination(vector["destination"]), Header.decode(bytes.fromhex(vector["header"]))
    accepted = vector["accepted"]
    shown = Hyperledger().check_receipt(destination, header, accepted["material"], vector["trust"])
    assert (shown.time, shown.position) == (accepted["time"], accepted["position"])
    assert [each["step"] for each in vector["refused"]] == [None, *STEPS]
    for each in vector["refused"]:
        with pytest.raises(VerificationError) as caught:
            Hyperledger().check_receipt(destination, header, each["material"], vector["trust"])
        assert caught.value.reason == each["reason"]


@pytest.mark.parametrize("version", ["3.1.5", "2.5.16"])
def test_the_vectors_of_real_peers(version: str) -> None:
    vector = json.loads(PEERS_VECTOR.read_text())["peers"][version]
    destination, header = parse_destination(vector["destination"]), Header.decode(bytes.fromhex(vector["header"]))
    shown = Hyperledger().check_receipt(destination, header, vector["material"], vector["trust"])
    assert (shown.status, shown.time, shown.position) == (Status.FINAL, vector["time"], vector["position"])
    # Its transaction is in a block, as MVCC_READ_CONFLICT.
    invalid = vector["invalid"]
    header = Header.decode(bytes.fromhex(invalid["header"]))
    with pytest.raises(VerificationError) as caught:
        Hyperledger().check_receipt(destination, header, invalid["material"], vector["trust"])
    assert caught.value.reason == invalid["reason"]


def test_the_vectors_are_what_the_generator_writes() -> None:
    assert VECTOR.read_text() == document()


def test_verifying_loads_neither_grpc_nor_protobuf() -> None:
    names = "'grpc', 'google.protobuf', 'asyncio', 'adapters.hyperledger.proto'"
    program = f"import adapters.hyperledger.destination, sys; sys.exit(any(n in sys.modules for n in ({names})))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_certificates_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes the second proof of a ledger cheap: no certificate is parsed, and no chain checked, again."""
    check(receipt())
    monkeypatch.setattr(x509, "load_pem_x509_certificates", lambda _: pytest.fail("parsed again"))
    assert check(receipt()).status is Status.FINAL
