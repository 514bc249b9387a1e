"""``cryptlet devnet up``: a development network alone, without a fabric, until it is told to stop."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fabric.core.canonical import JsonObject, JsonValue
    from fabric.ledger.devnet import Devnet

LEDGER: Final = "ethereum"
DEFAULT_FOLDER: Final = Path(".state/devnet")

app = typer.Typer(help="Development networks.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """Development networks: ledgers on this machine, without a fabric."""


@app.command()
def up(
    poa: Annotated[
        bool, typer.Option("--poa", help="A proof-of-authority network of three geth signers, instead of anvil.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where its state lies; it is found there again.")] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Run an Ethereum development network. Stops on Ctrl-C or SIGTERM; its state stays."""
    import asyncio

    from fabric.cli.stopping import until_told

    place = folder / ("poa" if poa else "anvil")
    options: dict[str, JsonValue] = {"network": "clique" if poa else "anvil", "dies_with_parent": True}
    asyncio.run(until_told(_run(place, options, as_json=as_json)))


async def _run(folder: Path, options: "Mapping[str, JsonValue]", *, as_json: bool) -> None:
    import asyncio

    from fabric.core import plugins
    from fabric.core.clock import SystemClock

    start = cast("Callable[..., Awaitable[Devnet]]", plugins.load(plugins.DEVNETS, LEDGER))
    network = await start(folder, options, SystemClock())
    try:
        facts: JsonObject = {"folder": str(folder), **await network.describe()}
        typer.echo(json.dumps(facts) if as_json else _sentence(facts))
        sys.stdout.flush()
        await asyncio.Event().wait()
    finally:
        await network.aclose()


def _sentence(facts: "JsonObject") -> str:
    lines = [f"  {name.replace('_', ' '):20} {_words(value)}" for name, value in facts.items()]
    if "development_key" in facts:
        lines.append("  a key of development: it lies in the folder in clear, give it nothing of worth")
    return "\n".join(["the network is ready", *lines, "Ctrl-C stops it; its state stays in the folder"])


def _words(value: "JsonValue") -> str:
    return ", ".join(map(str, value)) or "none: blocks carry no seals" if isinstance(value, list) else str(value)
