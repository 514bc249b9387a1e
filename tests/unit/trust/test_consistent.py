"""Whether a proof holds together: steps 1 to 9, under what is pinned for its ledger. Step 10 is nobody's here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from adapters.ethereum.seals import trust_of
from fabric.core.canonical import JsonObject
from fabric.core.errors import VerificationError
from fabric.trust.proof import Proof
from fabric.trust.verifier import check_consistent
from tests.support.proof_cases import TABLE, Case
from tests.support.proofs import ANCHORED, ETHEREUM, NATIVE, STRANGER, USUAL, Recipe, accepted, kinds, sealed_receipt
from tests.support.seals import KEYS, SIGNERS, addresses

POA: Final = trust_of(SIGNERS)
OTHERS: Final = trust_of(addresses(KEYS[1:4]))
NOTHING: Final[JsonObject] = {}
UP_TO_9: Final = [
    pytest.param(recipe, case, step, id=f"{step}-{name}-{kind}".replace(" ", "-"))
    for step, table in TABLE.items()
    for name, case in table.items()
    for kind, recipe in USUAL.items()
    if step != "policy"
]
STEP_10: Final = [
    pytest.param(recipe, case, id=f"{name}-{kind}".replace(" ", "-"))
    for name, case in TABLE["policy"].items()
    for kind, recipe in USUAL.items()
]


def pinned(recipe: Recipe) -> JsonObject:
    """Returns what the usual policy pins of a recipe's ledger."""
    return accepted(recipe.destination).trust


def sealed(*sealers: int, anchored: int = ANCHORED) -> Proof:
    """Returns a proof of a proof-of-authority chain: the block that settles the batch, and the ones behind it."""
    proof = USUAL["ethereum"].make()
    return replace(proof, receipt=sealed_receipt(ETHEREUM, proof.header, anchored, sealers))


def refused(proof: Proof, trust: JsonObject) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        check_consistent(proof.encode(), trust, kinds)
    return caught.value


@pytest.mark.parametrize(("recipe", "case", "step"), UP_TO_9)
def test_what_does_not_hold_together_is_refused_at_its_step(recipe: Recipe, case: Case, step: str) -> None:
    assert refused(case(recipe), pinned(recipe)).step == step


@pytest.mark.parametrize(("recipe", "case"), STEP_10)
def test_what_a_policy_alone_refuses_holds_together(recipe: Recipe, case: Case) -> None:
    check_consistent(case(recipe).encode(), pinned(recipe), kinds)


@pytest.mark.parametrize("kind", USUAL)
def test_a_proof_holds_together_where_nothing_is_pinned(kind: str) -> None:
    check_consistent(USUAL[kind].make().encode(), NOTHING, kinds)


def test_bytes_that_are_no_proof_are_refused_at_the_first_step() -> None:
    with pytest.raises(VerificationError) as caught:
        check_consistent(b"{}", POA, kinds)
    assert caught.value.step == "format"


@pytest.mark.parametrize("sealers", [(0, 1, 2), (1, 2, 1), (0, 1), (0,)], ids=str)
def test_seals_hold_under_the_signers_that_are_pinned(sealers: Sequence[int]) -> None:
    """Too few of them make a proof that is less than final, not one that contradicts itself."""
    check_consistent(sealed(*sealers).encode(), POA, kinds)


@pytest.mark.parametrize(
    ("proof", "trust", "reason"),
    [
        (sealed(0, 1, 2), NOTHING, "no policy pins the signers"),
        (sealed(0, 1, 2), OTHERS, "not among the signers that the policy pins"),
        (sealed(0, 1, 4), POA, "not among the signers that the policy pins"),
        (sealed(0, 0, 1), POA, "too soon"),
        (USUAL["ethereum"].make(), POA, "carries no clique seal"),
        (sealed(0, 1, 2), {"engine": "qbft", "signers": []}, "engine 'qbft'"),
        (sealed(0, 1, 2), accepted(NATIVE).trust, "knows no log_key"),
        (sealed(0, 1, 2, anchored=ANCHORED + 86_400), POA, "validity of the attestation"),
    ],
    ids=["nothing-pinned", "other-signers", "stranger", "twice", "no-seal", "engine", "other-kind", "too-late"],
)
def test_seals_that_what_is_pinned_does_not_bear_are_refused(proof: Proof, trust: JsonObject, reason: str) -> None:
    error = refused(proof, trust)
    assert error.step == "settlement"
    assert reason in error.reason


def test_seals_over_the_settlement_of_another_batch_are_refused() -> None:
    proof = sealed(0, 1, 2)
    other = replace(proof.header, epoch=9)
    error = refused(replace(proof, receipt=sealed_receipt(ETHEREUM, other, ANCHORED, (0, 1, 2))), POA)
    assert (error.step, error.reason) == ("settlement", "the log does not settle this batch")


def test_a_log_of_another_key_than_the_pinned_one_is_refused() -> None:
    trust = accepted(NATIVE).trust | {"log_key": STRANGER.key.hex()}
    assert refused(USUAL["native"].make(), trust).step == "settlement"
