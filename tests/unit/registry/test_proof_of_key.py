"""A proof of a key: for one thing that waits at one registry, for some minutes, by a key that may be shown it."""

from typing import Final, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Unauthenticated
from fabric.core.ids import Digest, sha256
from registry.proof_of_key import SECONDS, Asked, check, prove
from tests.support.registries import ALICE, BOB, ORIGIN

PENDING: Final = sha256(b"waits")
ASKED: Final = Asked(ORIGIN, PENDING)
NOW: Final = 1_800_000_000
KEYS: Final = {ALICE.key.public}


def proof(
    *, origin: str = ORIGIN, pending: Digest = PENDING, now: int = NOW, act: Literal["forget", "read"] = "read"
) -> str:
    return prove(Asked(origin, pending, act), ALICE.key.public, ALICE.key.sign, now)


@pytest.mark.parametrize("seconds", [-SECONDS, 0, SECONDS])
def test_an_owner_is_let_in(seconds: int) -> None:
    check(proof(now=NOW + seconds), ASKED, KEYS, NOW)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "expected Authorization"),
        ("Bearer x", "expected Authorization"),
        (proof() + "0", "expected Authorization"),
        (proof().upper(), "expected Authorization"),
        (proof(now=NOW - SECONDS - 1), "set the clock"),
        (proof(now=NOW + SECONDS + 1), "set the clock"),
        (prove(ASKED, BOB.key.public, BOB.key.sign, NOW), "owns neither"),
        (prove(ASKED, ALICE.key.public, BOB.key.sign, NOW), "did not sign"),
        (proof(origin="registry.test/two"), "did not sign"),
        (proof(pending=sha256(b"another")), "did not sign"),
        (proof(act="forget"), "did not sign"),
        (proof().replace(f":{NOW}:", f":{NOW + 1}:"), "did not sign"),
    ],
)
def test_nobody_else_is(value: str, why: str) -> None:
    with pytest.raises(Unauthenticated, match=why):
        check(value, ASKED, KEYS, NOW)


@given(st.integers(0, len(proof()) - 1), st.sampled_from("0123456789abcdef: "))
def test_no_letter_is_free(place: int, letter: str) -> None:
    good = proof()
    spoiled = good[:place] + letter + good[place + 1 :]
    if spoiled != good:
        with pytest.raises(Unauthenticated):
            check(spoiled, ASKED, KEYS, NOW)


@given(st.text(max_size=300))
def test_any_text_is_refused(value: str) -> None:
    with pytest.raises(Unauthenticated):
        check(value, ASKED, KEYS, NOW)
