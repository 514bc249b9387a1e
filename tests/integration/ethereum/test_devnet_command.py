"""``cryptlet devnet up``: a network as a user starts it, ended by Ctrl-C, found again with all that it had."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.ethereum.rpc import Call, Rpc
from fabric.core.canonical import JsonValue
from tests.support.poa import MARKS

pytestmark = [pytest.mark.ethereum, pytest.mark.timeout(120)]

STORED: Final = "a key of development"


@contextmanager
def network(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Runs the command for as long as the block lasts; gives the document that it prints when it is ready."""
    command = [sys.executable, "-m", "fabric.cli.main", "devnet", "up", "--folder", str(folder), "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            facts: dict[str, Any] = json.loads(process.stdout.readline())
            yield facts
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0
            assert process.stdout.read() == ""


async def ask(url: str, *calls: Call) -> list[JsonValue]:
    rpc = Rpc(url)
    try:
        return await rpc.ask([*calls])
    finally:
        await rpc.aclose()


async def seen(facts: dict[str, Any]) -> JsonValue:
    """Checks that each node serves the chain; returns its first block's hash."""
    first: list[JsonValue] = []
    for url in facts["urls"]:
        chain_id, block = await ask(url, ("eth_chainId", []), ("eth_getBlockByNumber", ["0x0", False]))
        assert chain_id == hex(facts["chain_id"])
        assert isinstance(block, dict)
        first.append(block["hash"])
    assert len(set(first)) == 1
    (balance,) = await ask(facts["urls"][0], ("eth_getBalance", [facts["development_account"], "latest"]))
    assert int(str(balance), 16) > 10**21
    return first[0]


async def test_anvil(tmp_path: Path) -> None:
    with network(tmp_path) as facts:
        first = await seen(facts)
        assert (facts["network"], facts["signers"], len(facts["urls"])) == ("anvil", [], 1)
    with network(tmp_path) as again:
        assert await seen(again) == first


class TestPoa:
    """The same, with three signers."""

    pytestmark = MARKS

    async def test_a_network_is_found_again(self, tmp_path: Path) -> None:
        with network(tmp_path, "--poa") as facts:
            first = await seen(facts)
            assert (facts["network"], len(facts["signers"]), len(facts["urls"])) == ("clique", 3, 3)
            assert nodes(tmp_path)
        assert not nodes(tmp_path)
        with network(tmp_path, "--poa") as again:
            assert await seen(again) == first
            assert again["development_key"] == facts["development_key"]

    def test_it_ends_with_the_command(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "fabric.cli.main", "devnet", "up", "--poa", "--folder", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            told = [process.stdout.readline() for _ in range(9)]
            assert "the network is ready" in told[0]
            assert any(STORED in line for line in told)
            descriptors = [os.pidfd_open(pid) for pid in nodes(tmp_path)]
            assert len(descriptors) == 3
            process.kill()
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 20)[0], "the node has ended"
            os.close(descriptor)


def nodes(folder: Path) -> list[int]:
    """Returns the pids of the nodes that run on a folder."""
    found = []
    for place in folder.glob("poa/clique/node-*/process.json"):
        pid = json.loads(place.read_text())["pid"]
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append(pid)
    return found
