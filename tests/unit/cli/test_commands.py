"""The commands against a door in a process of its own; every error is one sentence and an exit code of the table."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

import fabric
from fabric.cli.calls import _is_settled, _settled
from fabric.cli.main import main
from fabric.cli.shadows import refuse_shadowed_packages
from fabric.client import Anchor, Client, Result
from fabric.core.errors import ConfigError, ProofNotReady
from fabric.core.ids import FabricId, InvocationId
from fabric.gateway.endpoint import KEY_FILE, LOCAL_CALLER, Endpoint
from tests.support.doors import DESTINATION, INVOCATION, RESULT
from tests.support.serving import KEY, serving
from tests.support.trust_samples import word

BINDING = f"""
name = "x"
cryptlet = "c@1"
measurement = "{"ab" * 32}"
methods = ["m"]
[[destinations]]
ledger = "native"
"""


class Command:
    """Runs the command in this process and keeps what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["cryptlet", *map(str, arguments)])
        code = main()
        return code, *self._capsys.readouterr()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.delenv("CRYPTLET_API_KEY", raising=False)
    return Command(monkeypatch, capsys)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder whose endpoint is a stand-in behind a real door."""
    folder = tmp_path_factory.mktemp("state")
    with serving(folder):
        yield folder


def test_invoke(command: Command, state: Path, tmp_path: Path) -> None:
    given = tmp_path / "input.json"
    given.write_text('{"n": 3}')
    code, out, _ = command("invoke", "shipments", "judge", given, "--state", state, "--json")
    assert code == 0
    assert json.loads(out) == {"invocation": INVOCATION.hex(), "output": {"n": 3}}
    code, out, _ = command("invoke", "shipments", "judge", given, "--state", state, "--key", "k")
    assert (code, out.splitlines()[0]) == (0, f"invocation  {INVOCATION.hex()}")


def test_a_failed_call_ends_with_the_code_of_its_failure(command: Command, state: Path, tmp_path: Path) -> None:
    given = tmp_path / "input.json"
    for code, expected in (("cryptlet-raised", 4), ("refused", 3), ("malformed", 2), ("container-lost", 5)):
        given.write_text(json.dumps(f"fail with {code}"))
        found, out, err = command("invoke", "shipments", "judge", given, "--state", state)
        assert (found, out) == (expected, "")
        assert err == f"error: {code}: it was asked to (retry: never)\n"


def test_result_and_proofs(command: Command, state: Path, tmp_path: Path) -> None:
    code, out, _ = command("result", INVOCATION.hex(), "--state", state)
    assert code == 0
    assert "operator-final" in out
    code, out, _ = command("result", INVOCATION.hex(), "--state", state, "--proofs", tmp_path / "p", "--json")
    document: Any = json.loads(out)
    [path] = document["proofs"]
    assert code == 0
    assert Path(path).read_bytes() == b"proof"
    assert Path(path).parent == tmp_path / "p"
    assert document["anchors"][0]["cost"] == {"gas": 3}


def test_waiting_for_a_result(command: Command, state: Path) -> None:
    code, out, _ = command("result", INVOCATION.hex(), "--state", state, "--wait", "5")
    assert code == 0
    assert "operator-final" in out


async def test_what_is_waited_for() -> None:
    """Every effect on every ledger, delivery included; what is refused needs no waiting."""
    done = Anchor(DESTINATION, "a", "final", "", b"")
    for status, consumption, settled in (
        ("final", "", True),
        ("operator-final", "", True),
        ("refused: no", "", True),
        ("unanchored", "", False),
        ("included", "", False),
        ("final", "included", False),
        ("final", "final", True),
        ("final", "refused: no", True),
    ):
        assert _is_settled(replace(done, status=status, consumption=consumption)) is settled


async def test_waiting_has_an_end(tmp_path: Path) -> None:
    class Never(Client):
        @override
        async def result(self, invocation: InvocationId) -> Result:
            assert invocation == INVOCATION
            return replace(RESULT, anchors=(replace(RESULT.anchors[0], status="included"),))

    async with Never(f"unix:{tmp_path}/none", KEY) as client:
        with pytest.raises(ProofNotReady, match="not final on native after 1 s"):
            await _settled(client, INVOCATION, 1)


def test_bind(command: Command, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "binding.toml"
    file.write_text(BINDING)
    code, out, _ = command("bind", file, "--state", state, "--json")
    assert code == 0
    assert json.loads(out)["binding"] == "x"
    file.write_text(file.read_text().replace('"native"', '"nativ"'))
    code, _, err = command("bind", file, "--state", state)
    assert code == 2
    assert "did you mean 'native'?" in err


def test_status(command: Command, tmp_path: Path) -> None:
    with serving(tmp_path, LOCAL_CALLER):
        code, out, _ = command("status", "--state", tmp_path)
        assert code == 0
        told = " ".join(out.split())
        for part in (
            f"target unix:{tmp_path}/door (pid 1)",
            "1 zygote-ns+lock, software, epoch 3",
            "native working, the enclave's key is active there",
            "ethereum halted: a reorg beyond finality",
            "shipments cold-chain@1.0.0 judge -> native",
            f"{word('bundle').hex()[:16]} active until 2027-01-15 08:00:00Z",
            f"{word('other').hex()[:16]} revoked (a stolen key) until 2027-01-15 08:00:00Z; LOOK: nothing of it starts",
            f"{word('third').hex()[:16]} unknown; LOOK: no registry vouches for it",
            "12 succeeded, 1 failed",
            "native settle final 3",
        ):
            assert part in told, part
        code, out, _ = command("status", "--state", tmp_path, "--json")
        document: Any = json.loads(out)
    assert code == 0
    assert document["invocations"] == {"succeeded": 12, "failed": 1}
    assert [item["state"] for item in document["ledgers"]] == ["working", "halted"]
    assert [item["state"] for item in document["standings"]] == ["active", "revoked", ""]
    assert document["outbox"][0] == {"ledger": "native", "kind": "settle", "state": "final", "count": 3}


def test_only_the_operator_sees_the_status(command: Command, state: Path) -> None:
    code, out, err = command("status", "--state", state)
    assert (code, out) == (3, "")
    assert "'acme' is no operator" in err


def test_ledgers(command: Command, state: Path) -> None:
    code, out, _ = command("ledger", "list", "--state", state)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["ethereum", "native"]
    assert "halted: block 7 is gone" in out
    assert "at work" in out
    code, out, _ = command("ledger", "list", "--state", state, "--json")
    document: Any = json.loads(out)
    assert (code, document[0]["halted"]["reason"], document[1]["halted"]) == (0, "block 7 is gone", None)


def test_the_status_of_ledgers(command: Command, state: Path) -> None:
    code, out, _ = command("ledger", "status", "--state", state)
    assert code == 0
    assert "cryptlet ledger resume ethereum --reason" in out
    for shown in ("fee cap wei", "3 final, 1 new", "WrongEpoch", "resumed by local: restored", "ab" * 32):
        assert shown in out
    code, out, _ = command("ledger", "status", "ethereum", "--state", state, "--json")
    document: Any = json.loads(out)
    assert (code, document[0]["ledger"]["head"]) == (0, 9)


def test_code_is_revoked_and_each_ledger_says_how_far_it_is(command: Command, state: Path) -> None:
    code = "ab" * 32
    arguments = ("ledger", "revoke-code", code, "--since", "1700000000", "--reason", "a leaked key", "--state", state)
    ended, out, _ = command(*arguments)
    assert ended == 0
    assert out.splitlines()[0].startswith(f"{code} is revoked: results settled at 1700000000 or later")
    assert "ethereum     refused    QuorumMissing: 1" in out
    ended, out, _ = command(*arguments, "--json")
    document: Any = json.loads(out)
    assert (ended, document["since"]) == (0, 1_700_000_000)
    assert document["ledgers"][1] == {"ledger": "native", "state": "final", "reason": ""}


@pytest.mark.parametrize(("code", "since"), [("ab", "1"), ("xy" * 32, "1"), ("ab" * 32, "0"), ("ab" * 32, "now")])
def test_no_code_and_no_time_are_refused_here(command: Command, state: Path, code: str, since: str) -> None:
    ended, out, _ = command("ledger", "revoke-code", code, "--since", since, "--reason", "why", "--state", state)
    assert (ended, out) == (2, "")


def test_resume_says_what_it_was_halted_for(command: Command, state: Path) -> None:
    arguments = ("ledger", "resume", "ethereum", "--reason", "the node was restored", "--state", state)
    code, out, _ = command(*arguments)
    assert code == 0
    assert out.startswith("ethereum goes on; it was halted for: block 7 is gone\n3 effects")
    code, out, _ = command(*arguments, "--json")
    document: Any = json.loads(out)
    assert (code, document["reopened"], document["reason"]) == (0, 3, "the node was restored")
    code, out, err = command("ledger", "resume", "ethereum", "--reason", " ", "--state", state)
    assert (code, out) == (2, "")
    assert "that say why" in err


def test_a_ledger_is_tested_without_a_fabric(command: Command, state: Path, tmp_path: Path) -> None:
    code, out, err = command("ledger", "test", "nativ", "--state", state)
    assert (code, out) == (2, "")
    assert "did you mean 'native'?" in err
    code, out, err = command("ledger", "test", "native", "--state", tmp_path)
    assert (code, out) == (2, "")
    assert "cryptlet up --state" in err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("status", "--state", "{nowhere}"), 2, "no fabric runs on"),
        (("ledger", "list", "--state", "{nowhere}"), 2, "no fabric runs on"),
        (("result", "00", "--state", "{state}"), 2, "INVOCATION: expected 64"),
        (("result", "00" * 32, "--state", "{nowhere}"), 2, "no fabric runs on"),
        (("invoke", "b", "m", "{nowhere}", "--state", "{state}"), 2, "cannot be read: No such file"),
        (("bind", "{nowhere}", "--state", "{state}"), 2, "nowhere"),
        (("up", "--config", "{nowhere}"), 2, "nowhere"),
        (("result", "00" * 32, "--state", "{state}", "--proofs", "/proc/no"), 1, "/proc/no"),
    ],
    ids=["no-status", "no-fabric-of-ledgers", "no-id", "no-fabric", "no-input", "no-binding", "no-config", "no-folder"],
)
def test_errors_are_one_sentence(
    command: Command, state: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    places = {"state": state, "nowhere": tmp_path / "nowhere"}
    found, out, err = command(*(one.format(**places) for one in arguments))
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert text in err
    assert err.count("\n") == 1


def test_an_unknown_key_is_refused(command: Command, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTLET_API_KEY", "another")
    code, _, err = command("result", INVOCATION.hex(), "--state", state)
    assert (code, err.count("\n")) == (3, 1)
    assert "unauthenticated" in err


def test_a_fabric_that_is_gone_is_not_reached(command: Command, tmp_path: Path) -> None:
    Endpoint(f"unix:{tmp_path}/gone", FabricId(word("fabric")), 1, {}).write(tmp_path)
    (tmp_path / KEY_FILE).parent.mkdir()
    (tmp_path / KEY_FILE).write_text(KEY)
    code, _, err = command("result", INVOCATION.hex(), "--state", tmp_path)
    assert (code, err.count("\n")) == (8, 1)


@pytest.mark.parametrize("arguments", [("nonsense",), ("verify",), ("result", "--nonsense"), ("up", "--nonsense")])
def test_wrong_usage(command: Command, arguments: tuple[str, ...]) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_version_and_help(command: Command) -> None:
    assert command("--version") == (0, f"cryptlet {fabric.__version__}\n", "")
    code, out, _ = command("--help")
    assert code == 0
    assert {"build", "publish", "up", "bind", "invoke", "ledger", "result", "verify", "demo"} <= set(out.split())


def test_a_shadowed_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refuse_shadowed_packages()
    monkeypatch.setattr(fabric, "__file__", str(tmp_path / "fabric" / "__init__.py"))
    with pytest.raises(ConfigError, match="another distribution shadows it"):
        refuse_shadowed_packages()
