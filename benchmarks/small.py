"""The small figures: verification of one proof, a cold container, the start of the command, gas."""

import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.running import Bench
from fabric.bundles.bundle import read_bundle
from fabric.cli.calls import open_client
from fabric.client import Call, RemoteError
from fabric.core.clock import SystemClock
from fabric.core.ids import ZERO_WORD, InvocationId
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Limits
from fabric.enclave.containers.model import Call as ContainerCall
from fabric.gateway.kinds import load_kind
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify

CLOCK: Final = SystemClock()
ROUNDS: Final = 20
GAS: Final = Path(__file__).parents[1] / "adapters" / "ethereum" / "contracts" / "snapshots" / "gas.json"


async def verification(bench: Bench) -> list[Figure]:
    """Returns the median time to verify one proof of each ledger, after import."""
    policy = Policy.parse((bench.state / "policy.json").read_bytes())
    figures = []
    async with open_client(bench.state) as client:
        call = Call("document", b'{"document":{"lot":1}}', "bench-proof")
        invocation = InvocationId((await client.invoke("both", [call])).answers[0].invocation)
        for name, ledger in bench.app.endpoint.ledgers.items():
            proof = await _when_ready(client.proof, invocation, ledger.destination.id)
            verify(proof, policy, load_kind)
            times = []
            for _ in range(ROUNDS):
                start = CLOCK.monotonic_seconds()
                verify(proof, policy, load_kind)
                times.append(CLOCK.monotonic_seconds() - start)
            figures.append(Figure(f"verify one proof, {name}", statistics.median(times) * 1e3, "ms", None, "<= 5 ms"))
    return figures


async def _when_ready(fetch: Callable[..., Awaitable[bytes]], *name: bytes) -> bytes:
    for _ in range(240):
        try:
            return await fetch(*name)
        except RemoteError as error:
            if error.remote_code != "proof-not-ready":
                raise
        await asyncio.sleep(0.25)
    raise RuntimeError("no proof within a minute")


async def cold_container(wheel: Path, content: bytes) -> Figure:
    """Returns the median time from asking for a container to its first answer, over a warm zygote."""
    bundle = read_bundle(content)
    entry = bundle.manifest.project.cryptlet.entry
    with tempfile.TemporaryDirectory() as folder:
        host = await ContainerHost.start(Path(folder), Limits(), CLOCK)
        try:
            call = ContainerCall(ZERO_WORD, "document", b'{"document":1}', 0, 0, ZERO_WORD, 5_000)
            told = Bundle(bundle.measurement, wheel, entry)
            times = [await host.cold_start_seconds(told, call) for _ in range(ROUNDS)]
        finally:
            await host.aclose()
    return Figure(
        "cold container, warm zygote, to the first answer", statistics.median(times) * 1e3, "ms", None, "<= 10 ms"
    )


async def start_of(option: str, bar: str) -> Figure:
    """Returns the median time of a run of the command with one option."""
    times = [await _seconds_of(option) for _ in range(7)]
    return Figure(f"cryptlet {option}", statistics.median(times) * 1e3, "ms", None, bar)


async def run_of(project: Path) -> Figure:
    """Returns the median time of trying a cryptlet, sandbox with its self-test included."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.json"
        given.write_bytes(b'{"document":1}')
        arguments = ("run", str(project), "document", str(given))
        times = [await _seconds_of(*arguments) for _ in range(7)]
    name = "cryptlet run, one method in the sandbox, no Ray"
    return Figure(name, statistics.median(times) * 1e3, "ms", None, "<= 2,000 ms")


async def _seconds_of(*arguments: str) -> float:
    start = CLOCK.monotonic_seconds()
    command = str(Path(sys.executable).with_name("cryptlet"))
    process = await asyncio.create_subprocess_exec(command, *arguments, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError(f"cryptlet {arguments[0]} ended with {process.returncode}")
    return CLOCK.monotonic_seconds() - start


async def gas_of_anchoring(bench: Bench) -> list[Figure]:
    """Returns gas per result of a batch of 1,024 and of a batch of one, as this run's ledger charged it."""
    figures = []
    async with open_client(bench.state) as client:
        for count, bar in ((1024, "<= 100"), (1, "stated")):
            calls = [Call("document", b'{"document":{"lot":%d}}' % at, f"gas-{count}-{at}") for at in range(count)]
            reply = await client.invoke("both", calls)
            invocation = InvocationId(reply.answers[-1].invocation)
            destination = bench.app.endpoint.ledgers["ethereum"].destination.id
            await _when_ready(client.proof, invocation, destination)
            anchors = (await client.result(invocation)).anchors
            gas = next(item.cost["gas"] for item in anchors if item.destination == destination)
            figures.append(Figure(f"gas per anchored result, batch of {count:,}", gas / count, "", None, bar))
    return figures


def gas_of_consuming() -> list[Figure]:
    """Returns gas as the contract tests measured it on anvil; they fail when it changes."""
    rows = json.loads(GAS.read_text())["osaka"]
    return [
        Figure(
            f"gas per consumed result, {name} (contract tests)", rows[f"consume a later result, {name}"], "", None, bar
        )
        for name, bar in (("alone", "stated"), ("1 of 1,024", "stated"))
    ]
