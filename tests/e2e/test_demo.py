"""The demo, as anybody runs it: one JSON document, and proofs that hold without the fabric."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import pytest

from fabric.core import canonical
from fabric.gateway.endpoint import read_ledgers
from fabric.gateway.kinds import load_kind
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from tests.support.house_work import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SHIPMENTS: Final = 256
LEDGERS: Final = frozenset({"native", "hyperledger", "ethereum"})
DIRECTIONS: Final = len(LEDGERS) * (len(LEDGERS) - 1)


def cryptlet(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command as a user does."""
    command = [sys.executable, "-m", "fabric.cli.main", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def document_of(out: Path, *options: str) -> dict[str, Any]:
    """Runs the demo; returns the one document that it prints."""
    done = cryptlet("demo", "--json", "--out", str(out), *options)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)  # one document and nothing else
    assert isinstance(document, dict)
    assert done.stderr == ""
    return document


@pytest.fixture(scope="module")
def killed(out: Path) -> dict[Path, int]:
    """A first run, killed when its fabric is up: what it left, once nothing of it runs any more."""
    command = [sys.executable, "-m", "fabric.cli.main", "demo", "--json", "--out", str(out)]
    demo = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    asyncio.run(wait_until(lambda: settled((out / "run-1/state/endpoint.json").exists())))
    demo.kill()
    demo.wait()
    asyncio.run(wait_until(lambda: settled(not [command for command in commands() if str(out) in command])))
    return times(out / "run-1")


async def settled(found: bool) -> bool:  # noqa: FBT001 - what a look gives
    return found


@pytest.fixture(scope="module")
def story(out: Path, killed: dict[Path, int]) -> dict[str, Any]:
    """The whole demo, into a folder that another run has used."""
    assert killed
    return document_of(out)


def test_every_result_is_there_once_for_each_ledger(story: dict[str, Any]) -> None:
    results = story["results"]
    assert len(results) == len(LEDGERS) * (1 + SHIPMENTS)
    assert set(Counter((entry["invocation"], entry["ledger"]) for entry in results).values()) == {1}
    assert {entry["ledger"] for entry in results} == LEDGERS
    assert {entry["cryptlet"] for entry in results} == {"cold-chain@1.0.0"}
    for entry in results:
        assert len(bytes.fromhex(entry["invocation"])) == 32
        assert entry["locator"]
        assert entry["status"] == ("operator-final" if entry["ledger"] == "native" else "final")
    assert story["seconds"] > 0


def test_streamed_results_are_one_batch_a_ledger(story: dict[str, Any]) -> None:
    for ledger in LEDGERS:
        places = Counter(entry["locator"] for entry in story["results"] if entry["ledger"] == ledger)
        assert sorted(places.values()) == [1, SHIPMENTS]
    assert story["checked_on_chain"] == 1 + SHIPMENTS
    assert story["consumed"]["gas"] > 0


def test_the_contract_has_its_verdict(story: dict[str, Any]) -> None:
    asked = story["contract"]
    entries = [entry for entry in story["results"] if entry["invocation"] == asked["invocation"]]
    proof = canonical.decode(Path(entries[0]["proof"]).read_bytes())
    assert isinstance(proof, dict)
    output: Any = proof["output"]
    assert asked["stateVersion"] == 1
    assert asked["judgement"]["judged"] is True
    assert asked["judgement"]["accepted"] is output["accepted"]
    assert asked["judgement"]["meanKineticMilliCelsius"] == output["mean_kinetic_millicelsius"]


def test_claims_are_acknowledged_or_expire_and_are_refunded(story: dict[str, Any]) -> None:
    messages = story["messages"]
    assert [message["status"] for message in messages] == ["acknowledged", "refunded", *["acknowledged"] * DIRECTIONS]
    ways = [(message["source"], message["destination"]) for message in messages]
    assert set(ways[:2]) == {("ethereum", "native")}
    assert sorted(ways[2:]) == sorted(permutations(LEDGERS, 2)), "every direction once"
    assert len({message["id"] for message in messages}) == 2 + DIRECTIONS
    assert story["deposits"] == {"free": 9 * 10**16, "locked": 0, "spent": 10**16}


def test_the_records_that_carried_a_claim_verify_too(story: dict[str, Any]) -> None:
    policy = Policy.parse((Path(story["folder"]) / "state/policy.json").read_bytes())
    delivered, refunded = story["messages"][:2]
    for message, methods in ((delivered, {"deliver", "acknowledge"}), (refunded, {"acknowledge"})):
        found = [verify(Path(path).read_bytes(), policy, load_kind) for path in message["proofs"]]
        assert {one.proof.statement["method"] for one in found} == methods
        for one in found:
            sources: Any = one.proof.statement["sources"]
            assert [source["message"] for source in sources] == [message["id"]]


def test_each_proof_verifies_from_its_file_alone(story: dict[str, Any]) -> None:
    policy = Policy.parse((Path(story["folder"]) / "state/policy.json").read_bytes())
    paths = [Path(entry["proof"]) for entry in story["results"]]
    assert len(set(paths)) == len(paths)
    for entry, path in zip(story["results"], paths, strict=True):
        verified = verify(path.read_bytes(), policy, load_kind)
        assert verified.proof.record.invocation.hex() == entry["invocation"]
        assert verified.ledger == entry["ledger"]


def test_it_tells_what_was_refused(story: dict[str, Any]) -> None:
    assert story["verified"]["accepted"] is True
    assert story["verified"]["assurance"] == "software"
    assert story["refused"]["accepted"] is False
    assert (story["refused"]["number"], story["refused"]["step"]) == (2, "statement")


def test_verify_has_an_exit_code_for_each_case(story: dict[str, Any], tmp_path: Path) -> None:
    proof, state = story["results"][0]["proof"], str(Path(story["folder"]) / "state")
    assert cryptlet("verify", proof, "--state", state).returncode == 0
    # With its own roots inside and none outside, a proof can only agree with itself.
    alone = cryptlet("verify", proof, "--state", str(tmp_path))
    assert alone.returncode == 3
    assert "consistent, not trusted" in alone.stdout
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\xff")
    assert cryptlet("verify", str(garbage), "--state", state).returncode == 2
    assert cryptlet("verify", str(tmp_path / "missing"), "--state", state).returncode == 2


def test_a_killed_run_left_nothing_running_and_the_next_one_touched_nothing_of_it(
    killed: dict[Path, int], story: dict[str, Any], out: Path
) -> None:
    assert Path(story["folder"]) == out / "run-2"
    assert times(out / "run-1") == killed
    assert not [command for command in commands() if str(out) in command]


def times(folder: Path) -> dict[Path, int]:
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


def commands() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:  # it ended
                continue
    return found


def test_the_commands_can_ask_a_channels_peers_in_the_fabrics_name(story: dict[str, Any]) -> None:
    state = Path(story["folder"]) / "state"
    key = str(read_ledgers(state)["hyperledger"].settings["key"])
    assert Path(key).samefile(state / "keys" / "client.key")


def test_it_says_what_stands_behind_each_ledger(story: dict[str, Any]) -> None:
    assert story["ledgers"].keys() == LEDGERS
