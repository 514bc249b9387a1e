"""The demo on a genuine proof-of-authority network: what is final there is proven from the file alone."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.ethereum.seals import trust_of
from fabric.core.errors import VerificationError
from fabric.gateway.kinds import load_kind
from fabric.trust.kind import Source, Status
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from tests.support.poa import MARKS
from tests.support.seeded_keys import SeededKeys

pytestmark = [*MARKS, pytest.mark.e2e, pytest.mark.timeout(600)]

SHIPMENTS: Final = 8


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("demo")
    options = ("--poa", "--json", "--out", str(out), "--shipments", str(SHIPMENTS))
    command = [sys.executable, "-m", "fabric.cli.main", "demo", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def policy(story: dict[str, Any]) -> Policy:
    return Policy.parse((Path(story["folder"]) / "state/policy.json").read_bytes())


def proofs(story: dict[str, Any]) -> list[bytes]:
    paths = [entry["proof"] for entry in story["results"] if entry["ledger"] == "ethereum"]
    assert len(paths) == 1 + SHIPMENTS
    return [Path(path).read_bytes() for path in paths]


def test_every_result_is_final_and_proven(story: dict[str, Any]) -> None:
    for proof in proofs(story):
        shown = verify(proof, policy(story), load_kind).anchorage
        assert (shown.status, shown.source) == (Status.FINAL, Source.PROVEN)
    assert story["contract"]["judgement"]["judged"] is True
    assert story["checked_on_chain"] == 1 + SHIPMENTS


def test_claims_travel_on_proven_events_alone(story: dict[str, Any]) -> None:
    assert [message["status"] for message in story["messages"][:2]] == ["acknowledged", "refunded"]
    paths = [path for message in story["messages"] for path in message["proofs"]]
    sources: list[Any] = []
    for path in paths:
        statement: Any = verify(Path(path).read_bytes(), policy(story), load_kind).proof.statement
        sources += statement["sources"]
    assert {source["source"] for source in sources} == {"proven"}
    assert {source["status"] for source in sources} == {"final", "operator-final"}


def test_the_written_policy_takes_nothing_less(story: dict[str, Any]) -> None:
    (accepted,) = [each for each in policy(story).destinations.values() if each.name == "ethereum"]
    assert (accepted.minimum_status, accepted.accept_asserted) == (Status.FINAL, False)
    assert set(accepted.trust) == {"engine", "signers"}


def test_other_signers_are_refused_at_the_settlement(story: dict[str, Any]) -> None:
    whole = policy(story)
    others = trust_of([SeededKeys(f"signer {number}").public.address for number in range(3)])
    changed = {key: replace(each, trust=others) for key, each in whole.destinations.items() if each.name == "ethereum"}
    with pytest.raises(VerificationError, match="not among the signers") as caught:
        verify(proofs(story)[0], replace(whole, destinations=whole.destinations | changed), load_kind)
    assert caught.value.step == "settlement"
