"""A running fabric for the benchmarks, with a bundle published and a binding in force."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fabric.cli.calls import open_client
from fabric.cli.demo import fleet
from fabric.core.clock import SystemClock
from fabric.core.crashpoint import unharmed
from fabric.core.ids import NOBODY, Measurement, parse_word
from fabric.gateway.app import App, running
from fabric.gateway.config import Config, Gateway
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.trust.binding import write_binding

BINDING = "bench"
PROJECT = Path(__file__).parents[1] / "cryptlets" / "utility" / "fingerprint"
RELAY = PROJECT.with_name("relay")


@dataclass(frozen=True)
class Bench:
    """A fabric that serves, where its state lies, and which bundles it has: one that is called, one that carries."""

    app: App
    state: Path
    measurement: Measurement
    relay: Measurement


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """Builds and publishes both bundles, starts a fabric, puts one binding to the native ledger in force."""
    state = folder / "state"
    measurement, publisher = await _publish(PROJECT, folder)
    relay, _ = await _publish(RELAY, folder)
    config = Config(
        state=state,
        registry=folder / "registry",
        gateway=Gateway(listen="127.0.0.1:0", max_batch=1024),
        publishers={"bench": publisher},
    )
    async with running(config, SystemClock(), unharmed) as app:
        for name, ledgers in {BINDING: ["native"], "both": ["native", "ethereum"]}.items():
            await _bind(app, state, measurement, name, ledgers)
        yield Bench(app, state, measurement, relay)


async def _publish(project: Path, folder: Path) -> tuple[Measurement, str]:
    """Builds and publishes a bundle; returns its measurement and the publisher's key."""
    built = await fleet.run("build", str(project), "--out", str(folder / "dist" / project.name))
    where = ("--registry", str(folder / "registry"), "--key", str(folder / "key"))
    published = await fleet.run("publish", str(built["wheel"]), *where)
    return Measurement(parse_word(built["measurement"], "measurement")), str(published["publisher"])


async def _bind(app: App, state: Path, measurement: Measurement, name: str, ledgers: list[str]) -> None:
    binding = write_binding(
        {
            "callers": [LOCAL_CALLER],
            "cryptlet": "fingerprint@1.0.0",
            "destinations": [
                {
                    "codec": {"kind": "json"},
                    "consume": False,
                    "id": app.endpoint.ledgers[ledger].destination.id.hex(),
                    "recipient": NOBODY.hex(),
                }
                for ledger in ledgers
            ],
            "measurement": measurement.hex(),
            "methods": ["document"],
            "name": name,
            "requesters": [],
            "valid_seconds": 86_400,
        }
    )
    async with open_client(state) as client:
        await client.put_binding(binding.document)


async def client(*arguments: str, module: str = "load") -> dict[str, float]:
    """Runs the load in a process of its own, so that client and fabric do not share an interpreter."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.{module}", *arguments), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{module} {arguments[0]} ended with {process.returncode}")
    document: dict[str, float] = json.loads(out)
    return document
