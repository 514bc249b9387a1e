"""The command: rows as they are found, or one JSON document; exit code 1 when something cannot run."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.cli.plain import plain

if TYPE_CHECKING:
    from fabric.cli.doctor.examination import Case
    from fabric.core.finding import Finding

_FAILED = 1


def doctor(
    config: Annotated[Path | None, typer.Option(help="TOML file; by default cryptlet-fabric.toml, if there.")] = None,
    state: Annotated[Path | None, typer.Option(help="State folder; wins over the configuration.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Start neither the sandbox nor Ray.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Look at everything that a fabric stands on; each finding with what mends it."""
    import asyncio

    from fabric.core.finding import Level

    found = asyncio.run(_examine(_case(config, state, quick=quick), quiet=as_json))
    counts = Counter(item.level for item in found)
    if as_json:
        rows = [{"name": item.name, "level": item.level, "said": item.said, "fix": item.fix} for item in found]
        typer.echo(json.dumps({"findings": rows, **{level: counts[level] for level in Level}}))
    else:
        typer.echo(", ".join(f"{counts[level]} {level}" for level in Level))
    return _FAILED if counts[Level.FAIL] else 0


def _case(config: Path | None, state: Path | None, *, quick: bool) -> "Case":
    from fabric.cli.doctor.examination import Case
    from fabric.core.clock import SystemClock
    from fabric.core.errors import ConfigError
    from fabric.gateway.config import Config, load_config

    complaint = ""
    try:
        settings = load_config(config)
    except ConfigError as error:
        settings, complaint = Config(), str(error)
    if state is not None:
        settings = settings.model_copy(update={"state": state})
    return Case(settings, complaint, SystemClock(), quick)


async def _examine(case: "Case", *, quiet: bool) -> "list[Finding]":
    from fabric.cli.doctor.examination import examine

    found = []
    async for item in examine(case):
        found.append(item)
        if not quiet:
            _show(item)
    return found


def _show(item: "Finding") -> None:
    typer.echo(plain(f"{item.level:5} {item.name:15} {item.said}"))
    if item.fix:
        typer.echo(plain(f"{'':21} fix: {item.fix}"))
