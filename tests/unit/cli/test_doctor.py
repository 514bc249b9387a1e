"""``cryptlet doctor``: every finding is provoked once, and each says what mends it."""

import errno
import json
import os
import socket
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr

from adapters.ethereum import tools
from fabric.cli.doctor import folders, house, machine, ports, walls
from fabric.cli.doctor.examination import Case, examine
from fabric.cli.main import main
from fabric.core.clock import FrozenClock, SystemClock
from fabric.core.errors import ConfigError, PlatformError, SandboxUnavailable
from fabric.core.finding import Finding, Level, ok
from fabric.core.ids import FabricId
from fabric.enclave.containers.host import ContainerHost
from fabric.gateway.config import Config, Gateway, Ledger
from fabric.gateway.endpoint import KEY_FILE, Endpoint
from fabric.runtime.token import Answer
from fabric.runtime.trial import Trial
from fabric.store.database import open_database
from fabric.wire.status import LedgerStatus
from tests.support.doors import DESTINATION
from tests.support.serving import KEY, serving
from tests.support.trust_samples import word

NOW: Final = 1_800_000_000
REFUSED: Final = OSError(errno.EPERM, "Operation not permitted")


def one(found: list[Finding], level: Level, said: str, fix: str = "") -> None:
    """Holds a check to one finding."""
    (finding,) = found
    assert (finding.level, said in finding.said, fix in finding.fix) == (level, True, True), finding


def raising(error: Exception) -> Callable[..., Any]:
    def fails(*_: object, **__: object) -> Any:  # noqa: ANN401 - stands for anything
        raise error

    return fails


def test_a_finding_has_a_fix_exactly_when_something_is_wrong() -> None:
    assert ok("a", "well").fix == ""
    for level, fix in ((Level.FAIL, ""), (Level.WARN, ""), (Level.OK, "do something")):
        with pytest.raises(ValueError, match="exactly when"):
            Finding("a", level, "said", fix)


def test_python() -> None:
    one(machine.python(), Level.OK, "on Linux")
    one(machine.python((3, 10)), Level.FAIL, "3.10", "3.11 to 3.13")
    one(machine.python((3, 14)), Level.FAIL, "3.14", "3.11 to 3.13")
    one(machine.python((3, 12), "darwin"), Level.FAIL, "darwin", "Linux")


def test_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    one(machine.packages({}), Level.OK, "are ours")
    one(
        machine.packages({"fabric": ["cryptlet-fabric", "fabric"]}), Level.WARN, "fabric brings", "pip uninstall fabric"
    )
    monkeypatch.setattr(machine, "refuse_shadowed_packages", raising(ConfigError("package 'registry' is another's")))
    one(machine.packages({}), Level.FAIL, "'registry' is another's", "environment")


def test_disk(tmp_path: Path) -> None:
    one(machine.disk(tmp_path / "not/there"), Level.OK, str(tmp_path))
    one(machine.disk(tmp_path, free=1 << 20), Level.FAIL, "0.0 GiB", "make room")
    one(machine.disk(tmp_path, free=1 << 30), Level.WARN, "1.0 GiB", "make room")


def test_clock(tmp_path: Path) -> None:
    file = tmp_path / "epoch"
    file.touch()
    os.utime(file, (NOW, NOW))
    files = [file, tmp_path / "missing"]
    one(machine.clock(NOW, files, synchronised=True), Level.OK, "2027-01-15 08:00:00 UTC")
    one(machine.clock(NOW, files, synchronised=False), Level.WARN, "not call the clock synchronised", "timedatectl")
    one(machine.clock(NOW - 3600, files, synchronised=True), Level.FAIL, "earlier than", "timedatectl")
    assert machine.clock(NOW, files)[0].level in {Level.OK, Level.WARN}  # whatever this kernel says of it


def test_namespaces() -> None:
    one(walls.namespaces(lambda _: None), Level.OK, "can be made")
    one(walls.namespaces(raising(REFUSED)), Level.FAIL, "Operation not permitted", "max_user_namespaces")


def test_landlock_and_seccomp(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n")
    assert [item.level for item in walls.landlock_and_seccomp(lambda: 4, status)] == [Level.OK, Level.OK]
    status.write_text("Name:\tx\n")
    missing = SandboxUnavailable("Landlock is missing (no such call); run Linux 5.13 or newer")
    first, second = walls.landlock_and_seccomp(raising(missing), status)
    one([first], Level.FAIL, "Landlock is missing (no such call)", "run Linux 5.13")
    one([second], Level.FAIL, "no seccomp filters", "CONFIG_SECCOMP_FILTER")


async def test_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = SandboxUnavailable("the self-test got through the container: read a file (got it); nothing is served")
    monkeypatch.setattr(ContainerHost, "start", raising(refusal))
    one(await walls.sandbox(FrozenClock()), Level.FAIL, "got through the container", "nothing is served")


CLOSED: Final = Trial("2.60.0", Answer.REFUSED, Answer.REFUSED, Answer.ANSWERED)


async def test_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def answering(result: Trial) -> Callable[[Path], Awaitable[Trial]]:
        async def answer(_: Path) -> Trial:
            return result

        return answer

    monkeypatch.setattr("fabric.runtime.trial.try_ray", answering(CLOSED))
    assert [item.level for item in await walls.ray()] == [Level.OK, Level.OK]
    monkeypatch.setattr(
        "fabric.runtime.trial.try_ray", answering(Trial("1", Answer.ANSWERED, Answer.REFUSED, Answer.ANSWERED))
    )
    started, token = await walls.ray()
    assert started.level is Level.OK
    one([token], Level.FAIL, "without a token answered", "requirements.lock")
    monkeypatch.setattr(
        "fabric.runtime.trial.try_ray", raising(SandboxUnavailable("Ray's jail cannot be built: unshare"))
    )
    one(await walls.ray(), Level.FAIL, "jail cannot be built", "allow_unjailed_ray")
    monkeypatch.setattr("fabric.runtime.trial.try_ray", raising(PlatformError("Ray did not start: no word")))
    one(await walls.ray(), Level.FAIL, "did not start", "free memory")
    monkeypatch.setattr(walls, "find_spec", lambda _: None)
    one(await walls.ray(), Level.FAIL, "not installed", "pip install")


def test_ray_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def saying(answers: dict[str | None, Answer]) -> None:
        monkeypatch.setattr("fabric.runtime.token.ask", lambda _, token: answers[token])

    there = {"RAY_ADDRESS": "head:6379", "RAY_AUTH_TOKEN": "ours"}
    assert walls.cluster({}) == []
    saying({"ours": Answer.ANSWERED, None: Answer.REFUSED})
    one(walls.cluster(there), Level.OK, "takes our token and nothing else")
    saying({"ours": Answer.ANSWERED, None: Answer.ANSWERED})
    one(walls.cluster(there), Level.WARN, "without a token too", "RAY_AUTH_MODE=token")
    saying({"ours": Answer.REFUSED})
    one(walls.cluster(there), Level.FAIL, "refuses our token", "RAY_AUTH_TOKEN")
    saying({"ours": Answer.SILENT})
    one(walls.cluster(there), Level.FAIL, "nothing answers at head:6379", "ray start")


def test_port(monkeypatch: pytest.MonkeyPatch) -> None:
    one(ports.door("127.0.0.1:0", None), Level.OK, "a free port")
    one(ports.door("unix:/run/door", None), Level.OK, "Unix socket")
    one(ports.door("127.0.0.1", None), Level.FAIL, "'127.0.0.1'", "HOST:PORT")
    one(ports.door("127.0.0.1:70000", None), Level.FAIL, "70000", "HOST:PORT")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        one(ports.door(address, None), Level.FAIL, f"held by process {os.getpid()} (", "gateway.listen")
        stale = Endpoint(address, FabricId(word("fabric")), 1, {})
        one(ports.door(address, stale), Level.FAIL, f"held by process {os.getpid()} (")
        own = Endpoint(address, FabricId(word("fabric")), os.getpid(), {})
        one(ports.door(address, own), Level.OK, "held by our own fabric")
    one(ports.door(address, None), Level.OK, "is free")
    monkeypatch.setattr(ports, "_try", raising(OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")))
    one(ports.door("192.0.2.1:7070", None), Level.FAIL, "Cannot assign", "an address of this machine")


def test_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one(folders.state(tmp_path / "none"), Level.OK, "not there yet")
    tmp_path.chmod(0o700)
    one(folders.state(tmp_path), Level.OK, "ours alone")
    tmp_path.chmod(0o755)
    one(folders.state(tmp_path), Level.FAIL, "mode 0755", "chmod 700")
    (tmp_path / "file").touch()
    one(folders.state(tmp_path / "file"), Level.FAIL, "no folder", "--state")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    one(folders.state(tmp_path), Level.FAIL, "not to us (4711)", "--state")


def test_key_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one(folders.keys(tmp_path), Level.OK, "none yet")
    key, other = tmp_path / "keys/relayer.key", tmp_path / "appraiser/keys/a.key"
    for path in (key, other):
        path.parent.mkdir(parents=True)
        path.touch(0o600)
    one(folders.keys(tmp_path), Level.OK, "2 files")
    key.chmod(0o640)
    one(folders.keys(tmp_path), Level.FAIL, f"others may read {key} (mode 0640)", f"chmod 600 {key}")
    key.chmod(0o600)
    other.unlink()
    other.symlink_to(key)
    one(folders.keys(tmp_path), Level.FAIL, "no plain file", "rm ")
    other.unlink()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    one(folders.keys(tmp_path), Level.FAIL, "belongs to user", "chown 4711")


def test_database(tmp_path: Path) -> None:
    path = tmp_path / "fabric.db"
    one(folders.database(path), Level.OK, "none yet")
    open_database(path).close()
    one(folders.database(path), Level.OK, "whole, schema")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE alembic_version")
    one(folders.database(path), Level.FAIL, "alembic_version", "from a copy")
    data = bytearray(path.read_bytes())
    data[4096 : len(data)] = bytes(len(data) - 4096)
    path.write_bytes(data)
    one(folders.database(path), Level.FAIL, str(path), "from a copy")
    path.write_bytes(b"no database at all" * 100)
    one(folders.database(path), Level.FAIL, "not a database", "from a copy")


def test_registry(tmp_path: Path) -> None:
    one(folders.registry(tmp_path / "none"), Level.OK, "cryptlet publish")
    tmp_path.chmod(0o755)
    one(folders.registry(tmp_path), Level.OK, "0 bundles")
    tmp_path.chmod(0o777)
    one(folders.registry(tmp_path), Level.WARN, "anybody may write", "chmod o-w")
    (tmp_path / "file").touch()
    one(folders.registry(tmp_path / "file"), Level.FAIL, "cannot be read", "correct its mode")


async def test_a_fabric_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYPTLET_API_KEY", raising=False)
    one(await house.fabric_and_ledgers(tmp_path), Level.OK, "no fabric runs on")
    with serving(tmp_path, "local"):
        runs, native, ethereum = await house.fabric_and_ledgers(tmp_path)
        one([runs], Level.OK, "1 enclaves, 1 bindings")
        one([native], Level.OK, "the enclave's key is active there")
        one([ethereum], Level.FAIL, "halted: a reorg beyond finality", "before a person resumes it")
        (tmp_path / KEY_FILE).write_text("another")
        one(await house.fabric_and_ledgers(tmp_path), Level.FAIL, "unauthenticated", "cryptlet up")
        (tmp_path / KEY_FILE).write_text(KEY)
    monkeypatch.setattr(house, "SECONDS", 1.0)
    one(await house.fabric_and_ledgers(tmp_path), Level.FAIL, "does not answer", "nothing that was accepted is lost")


def test_ledgers_of_a_fabric_that_runs() -> None:
    silent = LedgerStatus("a", "ethereum", DESTINATION, "unreachable", "connection refused")
    one([house._ledger(silent)], Level.FAIL, "unreachable: connection refused", "start the ledger's node")
    revoked = LedgerStatus("a", "ethereum", DESTINATION, "working", "", "revoked")
    one([house._ledger(revoked)], Level.WARN, "is revoked there", "restart the fabric")


def test_ethereum_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANVIL", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    anvil, node = tools.check({})
    one([anvil], Level.FAIL, "no anvil", "make")
    one([node], Level.WARN, "not on PATH", "install node")
    for version, level in (("v18.1.0", Level.WARN), ("v22.0.1", Level.OK), ("nonsense", Level.WARN)):
        (tmp_path / "node").write_text(f"#!{sys.executable}\nprint('{version}')\n")
        (tmp_path / "node").chmod(0o755)
        assert tools.check({})[1].level is level


def case(state: Path, **changes: Any) -> Case:  # noqa: ANN401 - keys of the configuration
    config = Config(state=state, registry=state / "registry", gateway=Gateway(listen="127.0.0.1:0"))
    return Case(config.model_copy(update=changes), "", SystemClock(), quick=True)


async def test_an_unknown_ledger_and_a_check_that_breaks_are_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "disk", raising(ZeroDivisionError("it broke")))
    found = [item async for item in examine(case(tmp_path, ledgers={"main": Ledger(kind="etherium")}))]
    by_name = {item.name: item for item in found}
    one([by_name["ledger main"]], Level.FAIL, "did you mean 'ethereum'?", "ledgers.main.kind")
    one([by_name["disk"]], Level.FAIL, "ZeroDivisionError: it broke", "report this")
    assert {"python", "packages", "clock", "port", "state", "keys", "database", "registry", "fabric"} <= set(by_name)
    assert not {"sandbox", "ray"} & set(by_name)


async def test_the_database_is_the_configured_one(tmp_path: Path) -> None:
    store = SecretStr("postgresql://fabric:secret@127.0.0.1:1/fabric")
    found = [item async for item in examine(case(tmp_path, store=store)) if item.name == "database"]
    one(found, Level.FAIL, "cannot be opened", "correct `store`")
    assert "secret" not in found[0].said


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    state = tmp_path / "state"
    (tmp_path / "c.toml").write_text(f'state = "{state}"\nregistry = "{state}/r"\ngateway.listen = "127.0.0.1:0"\n')
    (tmp_path / "slip.toml").write_text('stat = "x"')

    def doctor(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["cryptlet", "doctor", "--quick", *arguments])
        return main(), capsys.readouterr().out

    code, out = doctor("--config", "c.toml", "--json")
    document = json.loads(out)
    assert code == (1 if document["fail"] else 0)
    assert len(document["findings"]) == document["ok"] + document["warn"] + document["fail"]
    (state / "keys").mkdir(parents=True)
    state.chmod(0o700)
    (state / "keys/a.key").touch(0o644)
    code, out = doctor("--config", "c.toml")
    assert code == 1
    assert f"fix: run: chmod 600 {state}/keys/a.key" in out
    code, out = doctor("--config", "slip.toml", "--state", str(state), "--json")
    (row,) = (item for item in json.loads(out)["findings"] if item["name"] == "configuration")
    assert (code, row["level"]) == (1, "fail")
    assert "did you mean 'state'" in row["said"]
