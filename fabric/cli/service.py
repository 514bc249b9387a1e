"""``cryptlet up``: run a fabric until it is told to stop."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.core.errors import PlatformError

if TYPE_CHECKING:
    from fabric.core.crashpoint import Reached
    from fabric.gateway.app import App
    from fabric.gateway.config import Config
    from fabric.wire.codec import Description

CRASH_VARIABLE = "FABRIC_TEST_CRASH_AT"
"""Names a crash point at which the process ends; read for the crash tests and by nothing else.

``@FILE`` names a file instead that may come later and holds the name, so that a test chooses a point while it runs.
"""


def up(
    config: Annotated[Path | None, typer.Option(help="TOML file; by default cryptlet-fabric.toml, if there.")] = None,
    state: Annotated[Path | None, typer.Option(help="State folder; wins over the configuration.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
    bound_to: Annotated[int, typer.Option(hidden=True, help="Our parent's pid: stop when it ends.")] = 0,
) -> None:
    """Run a fabric: ledgers, enclave, appraiser, Ray, gateway. Stops on Ctrl-C or SIGTERM."""
    import asyncio

    from fabric.cli.stopping import until_told
    from fabric.gateway.config import load_config
    from fabric.gateway.logs import log_to_stderr

    settings = load_config(config)
    if state is not None:
        settings = settings.model_copy(update={"state": state})
    log_to_stderr()
    if bound_to:
        _stop_with(bound_to)
    asyncio.run(until_told(_run(settings, as_json=as_json)))


def _stop_with(parent: int) -> None:
    import signal

    from fabric.enclave.sandbox import kernel

    kernel.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        raise PlatformError(f"process {parent}, for which this fabric should run, has ended")


async def _run(config: "Config", *, as_json: bool) -> None:
    import asyncio

    from fabric.core.clock import SystemClock
    from fabric.gateway.app import running

    if not as_json:
        typer.echo("starting ledgers, enclave and Ray; the first start takes about twenty seconds", err=True)
    async with running(config, SystemClock(), _crash_point()) as app:
        facts = ready_document(app)
        typer.echo(json.dumps(facts) if as_json else _sentence(facts))
        sys.stdout.flush()
        await asyncio.Event().wait()


def ready_document(app: "App") -> dict[str, object]:
    """Returns what a fabric says of itself when it is ready."""
    serving = app.pool.enclaves
    return {
        "target": app.endpoint.target,
        "fabric": app.endpoint.fabric.hex(),
        "state": str(app.ground.state.folder),
        "policy": str(app.ground.state.policy),
        "ledgers": ", ".join(app.endpoint.ledgers),
        "enclaves": len(serving),
        # That of another machine may be lost again by now.
        **(_about(serving[0].description) if serving else {}),
        "assurance": "software (the host vouches for the enclave; no hardware does)",
        "appraiser": f"one, a process of its own (pid {app.ground.appraiser.pid}), run by the same operator",
        "ray": "jailed" if app.cluster.jailed else "NOT jailed: code in Ray can read the fabric's keys",
    }


def _about(enclave: "Description") -> dict[str, object]:
    return {
        "enclave_key": enclave.keys.ed25519.hex(),
        "enclave_address": "0x" + enclave.keys.address.hex(),
        "fabric_measurement": enclave.fabric.hex(),
        "isolation": enclave.isolation,
    }


def _sentence(facts: dict[str, object]) -> str:
    lines = [f"  {name.replace('_', ' '):18} {value}" for name, value in facts.items()]
    return "\n".join(["the fabric is ready", *lines, "Ctrl-C stops it"])


def _crash_point() -> "Reached":
    from fabric.core.crashpoint import CrashPoint, unharmed

    chosen = os.environ.get(CRASH_VARIABLE)
    if chosen is None:
        return unharmed
    file = Path(chosen[1:]) if chosen.startswith("@") else None
    point = None if file else CrashPoint(chosen)

    def crash(reached: CrashPoint) -> None:
        if reached is point or (file and file.exists() and file.read_text() == reached):
            os.kill(os.getpid(), 9)

    return crash
