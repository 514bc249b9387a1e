"""The verifier: a valid proof passes; whatever does not hold is refused at its own step; a policy decides the rest."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import fabric.trust.verifier as module
from fabric.core.clock import FrozenClock
from fabric.core.errors import VerificationError
from fabric.core.ids import caller_account
from fabric.ledger.port import Register, Settle
from fabric.trust.attestation import Assurance
from fabric.trust.kind import Source, Status
from fabric.trust.policy import Policy, Publisher
from fabric.trust.schemes import Signature
from fabric.trust.verifier import STEPS, verify
from tests.support.native import SEQUENCER, genesis, open_native
from tests.support.proof_cases import OTHER, TABLE, Case
from tests.support.proofs import (
    ANCHORED,
    APPRAISERS,
    AS_OF,
    CALLER,
    ENCLAVE,
    ETHEREUM,
    NATIVE,
    PUBLISHER,
    STRANGER,
    USUAL,
    VALID_SECONDS,
    Recipe,
    accepted,
    by_appraisers,
    kinds,
    native_receipt,
    policy,
)

SPEC: Final = Path(__file__).resolve().parents[3] / "docs/spec/verification.md"
CASES: Final = [
    pytest.param(recipe, case, step, id=f"{step}-{name}-{kind}".replace(" ", "-"))
    for step, table in TABLE.items()
    for name, case in table.items()
    for kind, recipe in USUAL.items()
]


def refused(data: bytes, rules: Policy | None = None) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        verify(data, policy() if rules is None else rules, kinds)
    return caught.value


@pytest.mark.parametrize(("recipe", "case", "step"), CASES)
def test_each_condition_is_refused_at_its_step(recipe: Recipe, case: Case, step: str) -> None:
    assert refused(case(recipe).encode()).step == step


def test_every_step_has_a_case() -> None:
    assert ("format", *TABLE) == STEPS


@pytest.mark.parametrize(
    ("kind", "status", "source"),
    [("native", Status.OPERATOR_FINAL, Source.PROVEN), ("ethereum", Status.INCLUDED, Source.ASSERTED)],
)
def test_what_a_valid_proof_shows(kind: str, status: Status, source: Source) -> None:
    proof = USUAL[kind].make()
    verified = verify(proof.encode(), policy(), kinds)
    assert verified.proof == proof
    assert (verified.anchorage.status, verified.anchorage.source) == (status, source)
    assert (verified.anchorage.time, verified.ledger) == (ANCHORED, kind)
    assert (verified.assurance, verified.isolation) == (Assurance.SOFTWARE, "sample")


@pytest.mark.parametrize("kind", USUAL)
@pytest.mark.parametrize(
    "changes",
    [
        {"neighbours": 0},
        {"neighbours": 1023},
        {"input": b"\0raw bytes"},
        {"input": b""},
        {"output": {"accepted": True, "mean": -1, "note": "ä\u2028"}},
        {"anchored": AS_OF - 60},
        {"anchored": AS_OF + VALID_SECONDS},
        {"binding": {"callers": [], "requesters": [caller_account(CALLER).hex()]}},
        {"appraise": by_appraisers(*APPRAISERS, STRANGER)},
        {"sign": lambda *told: ENCLAVE.signatures(*told)[:1]},
        {"fields": {"state_version": 0}},
    ],
    # Never their repr: it holds addresses of functions, and each worker of `make test` would name them otherwise.
    ids=[
        "alone-in-its-batch",
        "in-a-full-batch",
        "raw-input",
        "empty-input",
        "output-of-any-letters",
        "anchored-a-minute-early",
        "anchored-at-the-end",
        "asked-by-a-contract",
        "one-appraiser-more",
        "no-eip712-signature",
        "state-version-0",
    ],
)
def test_what_is_accepted_too(kind: str, changes: dict[str, object]) -> None:
    verify(replace(USUAL[kind], **changes).make().encode(), policy(), kinds)  # type: ignore[arg-type]


def test_a_proof_with_its_own_roots_is_consistent_and_not_trusted() -> None:
    proof = USUAL["native"].make().encode()
    with pytest.raises(VerificationError, match="consistent, not trusted: no policy") as caught:
        verify(proof, None, kinds)
    assert caught.value.step == "policy"
    other = refused(proof, policy(destinations={ETHEREUM.id: accepted(ETHEREUM)}))
    assert (other.step, other.reason) == ("policy", "consistent, not trusted: the policy does not name this ledger")


def test_a_forged_ledger_fails_under_a_policy_alone() -> None:
    """Without a policy the log key is the one that the file itself names."""
    forged = genesis("a ledger of my own").destination
    proof = Recipe(destination=replace(forged, settlement=SEQUENCER.key)).make()
    with pytest.raises(VerificationError, match="no policy"):
        verify(proof.encode(), None, kinds)
    assert refused(proof.encode()).step == "policy"
    other = replace(Recipe().make(), receipt=native_receipt(NATIVE, Recipe().make().header, ANCHORED, STRANGER))
    assert refused(other.encode()).step == "settlement"


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"trust": {"log_key": STRANGER.key.hex(), "origin": "x"}}, "settlement"),
        ({"trust": {"validators": []}}, "settlement"),
        ({"minimum_status": Status.FINAL}, "policy"),
        ({"trust": {}}, "policy"),  # no root, so the ledger's word is only asserted
    ],
    ids=["log", "unknown-root", "status", "asserted"],
)
def test_what_a_policy_demands_of_the_native_ledger(changes: dict[str, object], step: str) -> None:
    rules = policy(destinations={NATIVE.id: accepted(NATIVE, **changes)})
    assert refused(Recipe().make().encode(), rules).step == step


def test_an_asserted_word_must_be_accepted_expressly() -> None:
    rules = policy(destinations={ETHEREUM.id: accepted(ETHEREUM, accept_asserted=False)})
    error = refused(USUAL["ethereum"].make().encode(), rules)
    assert error.step == "policy"
    assert "only asserted" in error.reason


def test_unanchored_passes_only_where_the_policy_says_so() -> None:
    data = replace(Recipe().make(), receipt=None).encode()
    assert refused(data).step == "policy"
    lenient = policy(destinations={NATIVE.id: accepted(NATIVE, minimum_status=Status.UNANCHORED)})
    assert verify(data, lenient, kinds).anchorage.status is Status.UNANCHORED


@pytest.mark.parametrize("evidence", Assurance)
@pytest.mark.parametrize("demand", Assurance)
def test_evidence_never_passes_as_more_than_it_is(evidence: Assurance, demand: Assurance) -> None:
    data = Recipe(result={"assurance": evidence}).make().encode()
    rules = policy(minimum_assurance=demand)
    if evidence >= demand:
        assert verify(data, rules, kinds).assurance is evidence
    else:
        assert refused(data, rules).step == "policy"


@pytest.mark.parametrize("threshold", [1, 2, 3])
@pytest.mark.parametrize("signers", range(4))
def test_quorum(signers: int, threshold: int) -> None:
    data = Recipe(appraise=by_appraisers(*APPRAISERS[:signers])).make().encode()
    rules = policy(threshold=threshold)
    if signers >= threshold:
        verify(data, rules, kinds)
    else:
        assert refused(data, rules).step == "policy"


def test_two_signatures_of_one_appraiser_are_one_vote() -> None:
    def both(message: bytes, digest: bytes) -> tuple[Signature, ...]:
        return APPRAISERS[0].signatures(message, digest)

    data = Recipe(appraise=both).make().encode()
    verify(data, policy(threshold=1), kinds)
    assert refused(data).step == "policy"


@pytest.mark.parametrize("scheme", [0, 1], ids=["ed25519", "eip712"])
def test_a_vote_under_either_scheme_counts(scheme: int) -> None:
    def one_each(message: bytes, digest: bytes) -> tuple[Signature, ...]:
        signatures = [keys.signatures(message, digest)[scheme] for keys in APPRAISERS[:2]]
        return tuple(sorted(signatures, key=lambda one: one.key))

    verify(Recipe(appraise=one_each).make().encode(), policy(), kinds)


@pytest.mark.parametrize(
    ("names", "holds"), [(("cold-chain",), True), (("*",), True), ((), False), (("cold",), False), (("a", "b"), False)]
)
def test_a_publisher_publishes_its_names_alone(names: tuple[str, ...], *, holds: bool) -> None:
    rules = policy(publishers=(Publisher(STRANGER.key, ("*",)), Publisher(PUBLISHER.key, names)))
    data = Recipe().make().encode()
    if holds:
        verify(data, rules, kinds)
    else:
        assert refused(data, rules).step == "policy"


def test_every_entry_of_a_publisher_counts() -> None:
    twice = (Publisher(PUBLISHER.key, ("other",)), Publisher(PUBLISHER.key, ("cold-chain",)))
    verify(Recipe().make().encode(), policy(publishers=twice), kinds)


def test_the_first_step_that_fails_is_named() -> None:
    proof = Recipe(fields={"fabric": OTHER, "intent": OTHER}, sign=STRANGER.signatures).make()
    assert refused(proof.encode()).step == "statement"


def test_steps_docstring_and_spec_agree() -> None:
    listed = re.findall(r"^(\d+)\.\s+``(\w+)``", module.__doc__ or "", re.MULTILINE)
    expected = [(str(number), name) for number, name in enumerate(STEPS, 1)]
    assert listed == expected
    assert re.findall(r"^## (\d+)\. `(\w+)`", SPEC.read_text(), re.MULTILINE) == expected


def _sentences() -> set[str]:
    """Returns the longest fixed part of every reason that a ``_check_`` function of the verifier can give."""
    tree = ast.parse(Path(module.__file__).read_text())
    checks = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("_check_")]
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = set()
    for node in (part for check in checks for statement in check.body[1:] for part in ast.walk(statement)):
        parts = node.values if isinstance(node, ast.JoinedStr) else [] if id(node) in inner else [node]
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        found.add(max(texts, key=len, default=""))
    return {text for text in found if " " in text.strip()}


def test_every_reason_has_a_case() -> None:
    """What holds the table above to the code: a condition that is added without a case fails here."""
    reasons = {refused(case(Recipe()).encode()).reason for table in TABLE.values() for case in table.values()}
    usual = Recipe().make().encode()
    reasons |= {
        refused(usual, policy(destinations={NATIVE.id: accepted(NATIVE, minimum_status=Status.FINAL)})).reason,
        refused(usual, policy(destinations={NATIVE.id: accepted(NATIVE, trust={})})).reason,
        refused(usual, policy(destinations={})).reason,
        refused(usual, policy(minimum_assurance=Assurance.HARDWARE)).reason,
    }
    with pytest.raises(VerificationError) as caught:
        verify(usual, None, kinds)
    reasons.add(caught.value.reason)
    sentences = _sentences()
    assert len(sentences) > 30
    assert {text for text in sentences if not any(text in reason for reason in reasons)} == set()


async def test_a_receipt_of_a_live_ledger(tmp_path: Path) -> None:
    proof = Recipe().make()
    attested = proof.attestation
    settle = Settle(proof.header, proof.signatures)
    ledger = await open_native(tmp_path, FrozenClock(ANCHORED))
    register = Register(attested.result, attested.destinations, attested.signatures)
    await ledger.submit(await ledger.prepare([register, settle], []))
    [seen] = await ledger.observe([(settle, None)])
    await ledger.aclose()
    assert seen.receipt is not None
    live = replace(proof, receipt=seen.receipt.material)
    assert verify(live.encode(), policy(), kinds).anchorage.locator == "entry 1 of 2"
