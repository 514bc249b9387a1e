"""The development ledger: found again after every kind of end, and an integrator's whole day on it."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from adapters.ethereum import answers, anvil, snapshots
from adapters.ethereum.anvil import Anvil, Options, find_anvil
from adapters.ethereum.devnet import EthereumDevnet, start
from adapters.ethereum.integrator import open_integrator
from adapters.ethereum.networks import Network
from adapters.ethereum.plugin import open_ledger
from adapters.ethereum.rpc import Rpc
from adapters.ethereum.transactions import decode
from adapters.ethereum.view import block_call
from fabric.core.canonical import JsonObject
from fabric.core.clock import FrozenClock, SystemClock
from fabric.core.errors import ConfigError, ForeignLedger, LedgerUnavailable, NotFound, Reverted
from fabric.core.ids import NOBODY, DestinationId, sha256
from fabric.ledger import home
from fabric.ledger.devnet import Founding
from fabric.ledger.port import Register
from fabric.trust.kind import Status
from fabric.trust.policy import Appraiser
from tests.support import batches
from tests.support.evm import RELAYER
from tests.support.waiting import until

pytestmark = pytest.mark.ethereum

QUICK: Final[JsonObject] = {"block_seconds": 0, "finality": 2, "dies_with_parent": True}
KEYS: Final = batches.APPRAISER.public
FOUNDING: Final = Founding("ethereum", (Appraiser(KEYS.ed25519, KEYS.address),), 1, RELAYER.address, KEYS.ed25519)


async def devnet(folder: Path, options: JsonObject = QUICK) -> EthereumDevnet:
    return await start(folder, options, FrozenClock())


async def head(node: Network) -> int:
    rpc = Rpc(node.url)
    try:
        (number,) = await rpc.ask([("eth_blockNumber", [])])
        return int(str(number), 16)
    finally:
        await rpc.aclose()


async def mine(node: Network, blocks: int) -> None:
    rpc = Rpc(node.url)
    try:
        await rpc.ask([("anvil_mine", [hex(blocks)])])
    finally:
        await rpc.aclose()


async def saves(folder: Path) -> None:
    """Waits until a state is kept that was written after the call."""
    seen: set[int] = set()
    kept = folder / snapshots.SNAPSHOT
    while len(seen) < 3:
        seen |= {kept.stat().st_mtime_ns} if kept.exists() else set()
        await asyncio.sleep(0.05)


def snapshooters(folder: Path) -> list[int]:
    """Returns the processes that keep the states of a folder; one that waits to be reaped has no command line."""
    commands = {path: _read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    mine = [
        path
        for path, text in commands.items()
        if b"adapters.ethereum.snapshots" in text and str(folder).encode() in text
    ]
    return [int(path.parent.name) for path in mine]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended
        return b""


async def test_a_deployment_is_found_again_after_a_restart(tmp_path: Path) -> None:
    first = await devnet(tmp_path)
    founded = await first.found(FOUNDING)
    assert await first.found(FOUNDING) == founded
    assert (founded.minimum_status, founded.accept_asserted, founded.trust) == (Status.INCLUDED, True, {})
    await first.aclose()
    await first.aclose()
    second = await devnet(tmp_path)
    try:
        assert second.network.url == first.network.url
        assert await second.found(FOUNDING) == founded
        ledger = await open_ledger(founded.settings, FrozenClock(), RELAYER)
        assert ledger.destination == founded.destination
        await ledger.aclose()
    finally:
        await second.aclose()


async def test_many_restarts_keep_the_first_block_and_the_present_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The node makes a first block at every start; were it another one, the chain would be taken for another in the end.
    start, firsts = SystemClock().unix_seconds(), set()
    for ahead in (0, 1000, 2000, 9000, 3000):
        monkeypatch.setattr(anvil, "_CLOCK", FrozenClock(start + ahead))
        async with await Anvil.start(tmp_path, Options(block_seconds=0)) as node:
            rpc = Rpc(node.url)
            await rpc.ask([("anvil_mine", ["0x1"])])
            first, newest = await rpc.ask([block_call(0), ("eth_getBlockByNumber", ["latest", False])])
            await rpc.aclose()
        firsts.add(answers.block(first).hash)
        assert answers.block(newest).time >= start + ahead
    assert snapshots.is_sound(tmp_path / snapshots.STATE)
    saved = json.loads((tmp_path / snapshots.STATE).read_text())["blocks"]
    assert len(firsts) == 1
    assert sum(int(item["header"]["number"], 16) == 0 for item in saved) == 1


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"founders":{},"settings":{}}', "\udcff"])
async def test_a_spoiled_deployment_is_told(tmp_path: Path, text: str) -> None:
    net = await devnet(tmp_path)
    try:
        await net.found(FOUNDING)
        (tmp_path / "deployment.json").write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises((ConfigError, ForeignLedger), match=r"deployment\.json"):
            await net.found(FOUNDING)
    finally:
        await net.aclose()


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"pid":1,"port":1}'])
async def test_a_spoiled_note_of_the_process_is_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "process.json").write_text(text)
    await (await devnet(tmp_path)).aclose()


async def test_a_real_state_is_known_to_be_sound_and_what_is_torn_is_not(tmp_path: Path) -> None:
    net = await devnet(tmp_path)
    await net.found(FOUNDING)
    await net.aclose()
    state = tmp_path / snapshots.STATE
    assert snapshots.is_whole(state)
    assert snapshots.is_sound(state)
    fields = json.loads(state.read_text())
    del fields["transactions"][-1]
    state.write_text(json.dumps(fields, separators=(",", ":")))
    assert not snapshots.is_sound(state)


async def test_the_relayer_can_pay(tmp_path: Path) -> None:
    net = await devnet(tmp_path)
    try:
        founded = await net.found(FOUNDING)
        ledger = await open_ledger(founded.settings, FrozenClock(), RELAYER)
        (submission,) = await ledger.prepare([await _registration(net.network, founded.destination.id)], [])
        await ledger.submit([submission])
        assert decode(submission.data).to == founded.destination.settlement[-20:]

        async def is_registered() -> bool:
            return await ledger.key_state(batches.ENCLAVE.public) is not None

        await until(is_registered)  # the node answers before it has mined
        await ledger.aclose()
    finally:
        await net.aclose()


async def test_other_founders_are_refused(tmp_path: Path) -> None:
    net = await devnet(tmp_path)
    try:
        await net.found(FOUNDING)
        others = Appraiser(batches.ENCLAVE.public.ed25519, batches.ENCLAVE.public.address)
        with pytest.raises(ForeignLedger, match="other appraisers"):
            await net.found(Founding("ethereum", (others,), 1, RELAYER.address, KEYS.ed25519))
    finally:
        await net.aclose()


async def test_a_ledger_that_was_reset_is_refused(tmp_path: Path) -> None:
    net = await devnet(tmp_path)
    await net.found(FOUNDING)
    await net.aclose()
    (tmp_path / "state.json").unlink()
    again = await devnet(tmp_path)
    try:
        with pytest.raises(ForeignLedger, match=r"genesis block|no contract"):
            await again.found(FOUNDING)
    finally:
        await again.aclose()


async def test_what_a_kill_loses_is_not_final(tmp_path: Path) -> None:
    options = Options(block_seconds=1, dies_with_parent=True)
    async with await Anvil.start(tmp_path, options) as node:
        rpc = Rpc(node.url)
        state = tmp_path / snapshots.SNAPSHOT
        saves: set[int] = set()
        while len(saves) < 3:  # two whole intervals
            if state.exists():
                saves.add(state.stat().st_mtime_ns)
            await rpc.ask([("eth_blockNumber", [])])
        await rpc.aclose()
        before = await head(node)
        await node.kill()
    async with await Anvil.start(tmp_path, options) as node:
        assert await head(node) >= before - 2


async def test_a_node_that_is_killed_leaves_nothing_in_the_home_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, chain = tmp_path / "home", tmp_path / "chain"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    async with await Anvil.start(chain, Options(block_seconds=0, dies_with_parent=True)) as node:
        await mine(node, 600)  # more than the node keeps in memory
        assert list((chain / "history").rglob("*.json"))
        await node.kill()
    assert not (chain / "history").exists()
    assert not list(home.rglob("*"))


async def test_a_state_that_was_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / snapshots.STATE).write_bytes(b'{"block":{}')
    with pytest.raises(ConfigError, match="cut off"):
        await devnet(tmp_path)


async def test_a_kill_while_the_state_is_written_loses_no_more_than_that_one(tmp_path: Path) -> None:
    options = Options(block_seconds=0, dies_with_parent=True)
    async with await Anvil.start(tmp_path, options) as node:
        await mine(node, 3)
    for half in (snapshots.STATE, snapshots.BEGUN):
        async with await Anvil.start(tmp_path, options) as node:
            assert await head(node) == 3
            await saves(tmp_path)
            await node.kill()
        # As the kill would have left it while the node wrote: before anybody looked, and after.
        (tmp_path / snapshots.STATE).replace(tmp_path / snapshots.SNAPSHOT)
        (tmp_path / half).write_bytes((tmp_path / snapshots.SNAPSHOT).read_bytes()[:-1])
    async with await Anvil.start(tmp_path, options) as node:
        assert await head(node) == 3
    assert not any((tmp_path / name).exists() for name in (snapshots.BEGUN, snapshots.SNAPSHOT))


async def test_what_keeps_the_states_of_a_node_is_started_again(tmp_path: Path) -> None:
    async with await Anvil.start(tmp_path, Options(block_seconds=0, dies_with_parent=True)) as node:
        (first,) = snapshooters(tmp_path)
        os.kill(first, signal.SIGKILL)
        await Anvil.start(tmp_path)
        await Anvil.start(tmp_path)
        (second,) = snapshooters(tmp_path)
        assert second != first
        await saves(tmp_path)
        await node.aclose()
    assert snapshooters(tmp_path) == []


async def test_a_second_node_on_one_state_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil, "_KEPT_SECONDS", 0.5)
    async with await Anvil.start(tmp_path, Options(block_seconds=0, dies_with_parent=True)) as node:
        note = (tmp_path / "process.json").read_bytes()
        (tmp_path / "process.json").unlink()
        with pytest.raises(LedgerUnavailable, match="end it first"):
            await Anvil.start(tmp_path)
        (tmp_path / "process.json").write_bytes(note)
        assert await head(node) == 0


async def test_a_node_outlives_who_started_it_and_is_found(tmp_path: Path) -> None:
    pid = _start_elsewhere(tmp_path, dies_with_parent=False)
    async with await Anvil.start(tmp_path) as node:
        assert node.pid == pid
        assert await head(node) == 3
    _await_end(pid)


async def test_a_bound_node_ends_with_who_started_it_and_keeps_its_state(tmp_path: Path) -> None:
    pid = _start_elsewhere(tmp_path, dies_with_parent=True)
    _await_end(pid)
    async with await Anvil.start(tmp_path, Options(dies_with_parent=True)) as node:
        assert node.pid != pid
        assert await head(node) == 3


async def test_an_unrelated_program_of_the_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "anvil"
    program.write_text("#!/bin/sh\necho 'anvil: a server for agents, 1.7.1'\n")
    program.chmod(0o755)
    monkeypatch.setenv("ANVIL", str(program))
    with pytest.raises(ConfigError, match=r"is not anvil 1\.7\.1 of Foundry.*server for agents"):
        find_anvil()
    monkeypatch.setenv("ANVIL", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="no anvil"):
        find_anvil()


async def test_one_on_the_path_is_taken_if_it_is_the_right_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = find_anvil()
    (tmp_path / "anvil").symlink_to(real)
    monkeypatch.delenv("ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(anvil, "BIN", tmp_path / "missing")
    assert find_anvil() == tmp_path / "anvil"


@pytest.mark.parametrize(("options", "text"), [({"finalty": 1}, "did you mean 'finality'"), ({"port": -1}, "port")])
async def test_options_that_cannot_be_used_are_named(tmp_path: Path, options: JsonObject, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        await devnet(tmp_path, options)


async def test_an_integrator_deploys_asks_and_reads(tmp_path: Path) -> None:
    net = await devnet(tmp_path)
    try:
        founded = await net.found(FOUNDING)
        integrator = await open_integrator(founded.settings, tmp_path)
        contract = await integrator.deploy("ShipmentContract", batches.MEASUREMENT, NOBODY)
        with pytest.raises(Reverted, match="NotBound"):
            await contract.request(sha256(b"file"))
        await contract.bind(batches.BINDING)
        with pytest.raises(Reverted, match="AlreadyBound"):
            await contract.bind(batches.BINDING)
        invocation = await contract.request(sha256(b"file"))
        ledger = await open_ledger(founded.settings, FrozenClock())
        await _pass_blocks(net.network, 2)
        page = await ledger.requests(b"", 10)
        assert [(each.invocation, each.requester) for each in page.requests] == [(invocation, contract.account)]
        state = await contract.read()
        assert state["binding"] == batches.BINDING.hex()
        assert state["fileDigest"] == sha256(b"file").hex()
        judgement = state["judgement"]
        assert isinstance(judgement, dict)
        assert judgement["judged"] is False
        with pytest.raises(NotFound):
            await integrator.deploy("Nothing", batches.MEASUREMENT, NOBODY)
        await ledger.aclose()
        await integrator.aclose()
    finally:
        await net.aclose()


async def _registration(node: Network, destination: DestinationId) -> Register:
    rpc = Rpc(node.url)
    (latest,) = await rpc.ask([("eth_getBlockByNumber", ["latest", False])])
    await rpc.aclose()
    body = batches.attest([destination], start=answers.block(latest).time - 3_600).body
    return Register(body.result, body.destinations, body.signatures)


async def _pass_blocks(node: Network, count: int) -> None:
    rpc = Rpc(node.url)
    await rpc.ask([("anvil_mine", [hex(count)])])
    await rpc.aclose()


def _start_elsewhere(folder: Path, *, dies_with_parent: bool) -> int:
    """Starts a node in another process, which ends at once; returns the node's pid."""
    program = (
        "import asyncio, pathlib, os, sys\n"
        "from adapters.ethereum.anvil import Anvil, Options\n"
        "from adapters.ethereum.rpc import Rpc\n"
        "async def main():\n"
        f"    options = Options(block_seconds=0, dies_with_parent={dies_with_parent})\n"
        "    node = await Anvil.start(pathlib.Path(sys.argv[1]), options)\n"
        "    await Rpc(node.url).ask([('anvil_mine', ['0x3'])])\n"
        "    print(node.pid, flush=True)\n"
        "    os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], check=True, capture_output=True)
    return int(done.stdout)


def _await_end(pid: int) -> None:
    """Waits until a process that is no child of ours has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], 20)
    os.close(descriptor)
    assert ended


async def test_a_node_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "END_SECONDS", 0.2)
    node = await Anvil.start(tmp_path / "node", Options(block_seconds=0, dies_with_parent=True))
    handle = os.pidfd_open(node.pid)
    try:
        os.kill(node.pid, signal.SIGSTOP)
        await node.aclose()
        assert select.select([handle], [], [], 0)[0]
    finally:
        os.close(handle)
