"""``cryptlet run``: one method of a project, in the sandbox in which a fabric runs it; no Ray, no fabric, no ledger."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.cli.inputs import STANDARD_INPUT, read_input
from fabric.cli.plain import plain
from fabric.core.errors import FabricError, Malformed, SandboxUnavailable

if TYPE_CHECKING:
    from fabric.cli.workshop import Order, Ran, Workshop
    from fabric.core.clock import Clock


def run(
    project: Annotated[Path, typer.Argument(help="Folder of the project.")],
    method: Annotated[str, typer.Argument(help="Name of the method.")],
    input_file: Annotated[Path, typer.Argument(metavar="INPUT", help="File with the input; - reads standard input.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Run again whenever the project or the input changes.")
    ] = False,
    as_of: Annotated[int, typer.Option(min=0, help="Time of the invocation, Unix seconds; now by default.")] = 0,
    state_version: Annotated[int, typer.Option(min=0, help="Version of the contract's state.")] = 0,
    deadline_ms: Annotated[int, typer.Option(min=1, max=600_000, help="Longest run time.")] = 10_000,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say how long each step took.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a run.")] = False,
) -> None:
    """Run one method of a project in the sandbox, without a fabric. Prints the output."""
    import asyncio

    from fabric.bundles.build import check_project
    from fabric.cli.workshop import Order
    from fabric.core.clock import SystemClock

    check_project(project)
    if watch and input_file == STANDARD_INPUT:
        raise Malformed("INPUT", "standard input cannot be read again; name a file, or leave --watch out")
    clock = SystemClock()

    def order() -> Order:
        time = as_of or clock.unix_seconds()
        return Order(project, method, read_input(input_file), time, deadline_ms, state_version)

    show = partial(_show, verbose=verbose, as_json=as_json)
    asyncio.run(_watch(order, input_file, show, clock) if watch else _once(order, show, clock))


async def _once(order: "Callable[[], Order]", show: "Callable[[Ran], None]", clock: "Clock") -> None:
    from fabric.cli.workshop import open_workshop

    given = order()  # before the sandbox starts for nothing
    async with open_workshop(clock) as workshop:
        show(await workshop.run(given))


async def _watch(order: "Callable[[], Order]", input_file: Path, show: "Callable[[Ran], None]", clock: "Clock") -> None:
    from fabric.cli.watching import look, next_change
    from fabric.cli.workshop import open_workshop

    project = order().project
    async with open_workshop(clock) as workshop:
        while True:
            seen = look(project, [input_file])
            await _attempt(workshop, order, show)
            typer.echo("waiting for a change; Ctrl-C ends it", err=True)
            changed = await next_change(seen, partial(look, project, [input_file]))
            typer.echo(f"changed: {', '.join(map(str, changed))}", err=True)


async def _attempt(workshop: "Workshop", order: "Callable[[], Order]", show: "Callable[[Ran], None]") -> None:
    """Runs once; an error of the author's is told and does not end the watching."""
    try:
        show(await workshop.run(order()))
    except SandboxUnavailable:
        raise
    except FabricError as error:
        typer.echo(f"error: {plain(str(error))}", err=True)


def _show(ran: "Ran", *, verbose: bool, as_json: bool) -> None:
    output = json.loads(ran.output)
    milliseconds = {name: round(seconds * 1000, 1) for name, seconds in ran.steps.items()}
    if as_json:
        typer.echo(json.dumps({"output": output, "milliseconds": milliseconds}))
    else:
        typer.echo(json.dumps(output, indent=2))
    if verbose:
        for name, value in milliseconds.items():
            typer.echo(f"  {name:8} {value:8.1f} ms", err=True)
    sys.stdout.flush()
