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


@dataclass(frozen=True)
class Bench:
    """A fabric that serves, and where its state lies."""

    app: App
    state: Path
    measurement: Measurement


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """Builds and publishes the utility cryptlet, starts a fabric, puts one binding to the native ledger in force."""
    state = folder / "state"
    registry = folder / "registry"
    built = await fleet.run("build", str(PROJECT), "--out", str(folder / "dist"))
    published = await fleet.run(
        "publish", str(built["wheel"]), "--registry", str(registry), "--key", str(folder / "key")
    )
    measurement = Measurement(parse_word(built["measurement"], "measurement"))
    config = Config(
        state=state,
        registry=registry,
        gateway=Gateway(listen="127.0.0.1:0", max_batch=1024),
        publishers={"bench": str(published["publisher"])},
    )
    async with running(config, SystemClock(), unharmed) as app:
        for name, ledgers in {BINDING: ["native"], "both": ["native", "ethereum"]}.items():
            await _bind(app, state, measurement, name, ledgers)
        yield Bench(app, state, measurement)


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


async def client(*arguments: str) -> dict[str, float]:
    """Runs the load in a process of its own, so that client and fabric do not share an interpreter."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load", *arguments), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load ended with {process.returncode}")
    document: dict[str, float] = json.loads(out)
    return document
