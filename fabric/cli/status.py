"""``cryptlet status``: what runs on a state folder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.cli.plain import plain
from fabric.core.clock import utc_text

if TYPE_CHECKING:
    from fabric.gateway.endpoint import Endpoint
    from fabric.wire.status import Status

_SHOWN = 16
"""Hexadecimal digits of an id that people see; the JSON document has them all."""


def status(
    state: Annotated[Path, typer.Option(help="The state folder of the fabric.")] = Path(".state"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what runs on a state folder: enclaves, ledgers, bindings, invocations, work for the ledgers."""
    import asyncio

    from fabric.gateway.endpoint import Endpoint

    endpoint = Endpoint.read(state)
    found = asyncio.run(_ask(state))
    if as_json:
        typer.echo(json.dumps(status_document(endpoint, found)))
        return
    for line in _lines(endpoint, found):
        typer.echo(plain(line))


def status_document(endpoint: "Endpoint", found: "Status") -> dict[str, object]:
    """Returns a status as a JSON document."""
    return {
        "target": endpoint.target,
        "fabric": found.fabric.hex(),
        "pid": endpoint.pid,
        "ray": "jailed" if found.ray_jailed else "not jailed",
        "enclaves": [
            {
                "name": item.name,
                "key": item.ed25519.hex(),
                "address": "0x" + item.address.hex(),
                "isolation": item.isolation,
                "assurance": item.assurance,
                "epoch": item.epoch,
                "pid": item.pid,
            }
            for item in found.enclaves
        ],
        "ledgers": [
            {
                "name": item.name,
                "kind": item.kind,
                "destination": item.destination.hex(),
                "state": item.state,
                "reason": item.reason,
                "key_state": item.key_state,
            }
            for item in found.ledgers
        ],
        "bindings": [
            {
                "name": item.name,
                "version": item.version.hex(),
                "cryptlet": item.cryptlet,
                "methods": list(item.methods),
                "callers": list(item.callers),
                "ledgers": list(item.ledgers),
            }
            for item in found.bindings
        ],
        "standings": [
            {
                "measurement": item.measurement.hex(),
                "state": item.state,
                "reason": item.reason,
                "expires": item.expires,
                "trouble": item.trouble,
            }
            for item in found.standings
        ],
        "invocations": {"succeeded": found.succeeded, "failed": found.failed},
        "outbox": [
            {"ledger": item.ledger, "kind": item.kind, "state": item.state, "count": item.count}
            for item in found.outbox
        ],
    }


async def _ask(state: Path) -> "Status":
    from fabric.cli.calls import open_client

    async with open_client(state) as client:
        return await client.status()


def _lines(endpoint: "Endpoint", found: "Status") -> Iterator[str]:
    """Yields one line a fact; a list that is empty says so, and what makes the first of its kind."""
    yield f"target       {endpoint.target} (pid {endpoint.pid})"
    yield f"fabric       {found.fabric.hex()}"
    yield f"ray          {'jailed' if found.ray_jailed else 'NOT jailed: code in Ray can read the keys'}"
    yield from _section("enclaves", list(_enclaves(found)), "none serves now; the fabric starts another by itself")
    yield from _section("ledgers", list(_ledgers(found)), "none is configured")
    yield from _section("bindings", list(_bindings(found)), "none is in force; `cryptlet bind FILE` puts one")
    if found.standings:
        yield from _section("standings", list(_standings(found)), "")
    yield f"invocations  {found.succeeded} succeeded, {found.failed} failed"
    rows = [f"{item.ledger:12} {item.kind:10} {item.state:10} {item.count}" for item in found.outbox]
    yield from _section("outbox", rows, "empty")


def _enclaves(found: "Status") -> Iterator[str]:
    for item in found.enclaves:
        key = item.ed25519.hex()[:_SHOWN]
        yield f"{item.name:12} {item.isolation}, {item.assurance}, epoch {item.epoch}, key {key}, pid {item.pid}"


def _ledgers(found: "Status") -> Iterator[str]:
    for item in found.ledgers:
        reason = f": {item.reason}" if item.reason else f", the enclave's key is {item.key_state} there"
        yield f"{item.name:12} {item.state}{reason}"


def _bindings(found: "Status") -> Iterator[str]:
    for item in found.bindings:
        methods, ledgers = ", ".join(item.methods), ", ".join(item.ledgers)
        yield f"{item.name:12} {item.cryptlet} {methods} -> {ledgers}, version {item.version.hex()[:_SHOWN]}"


def _standings(found: "Status") -> Iterator[str]:
    for item in found.standings:
        trouble = f"; LOOK: {item.trouble}" if item.trouble else ""
        until = f" until {utc_text(item.expires)}" if item.state else ""
        reason = f" ({item.reason})" if item.reason else ""
        yield f"{item.measurement.hex()[:_SHOWN]} {item.state or 'unknown'}{reason}{until}{trouble}"


def _section(title: str, rows: list[str], nothing: str) -> Iterator[str]:
    if not rows:
        yield f"{title:12} {nothing}"
        return
    yield title
    for row in rows:
        yield f"  {row}"
