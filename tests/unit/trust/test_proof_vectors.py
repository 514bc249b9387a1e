"""The vectors of whole proofs, as a second verifier runs them."""

import json
from pathlib import Path
from typing import Any

import pytest

from fabric.core.errors import VerificationError
from fabric.trust.policy import Policy
from fabric.trust.verifier import STEPS, verify
from tests.support.proofs import kinds
from tests.vectors import gen_proof

FILE = Path(__file__).resolve().parents[2] / "vectors/proof.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())
POLICY = Policy.parse(json.dumps(VECTORS["policy"]).encode())


def test_the_file_is_what_is_generated() -> None:
    assert FILE.read_text() == gen_proof.document()


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda one: one["name"])
def test_accepted(vector: dict[str, Any]) -> None:
    shown = verify(vector["proof"].encode(), POLICY, kinds).anchorage
    assert (shown.status, shown.source, shown.time) == (vector["status"], vector["source"], vector["time"])


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda one: one["name"])
def test_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(vector["proof"].encode(), POLICY, kinds)
    assert caught.value.step == vector["step"]


def test_every_step_is_there() -> None:
    assert {vector["step"] for vector in VECTORS["refused"]} == set(STEPS)


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda one: one["name"])
def test_without_a_policy_nothing_is_trusted(vector: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="consistent, not trusted"):
        verify(vector["proof"].encode(), None, kinds)
