"""``cryptlet ledger``: which ledgers a fabric has, how they are, whether they are the right ones; resume and revoke."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.cli.calls import DEFAULT_STATE, AsJson, State, open_client
from fabric.cli.plain import plain
from fabric.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fabric.core.ids import Measurement
    from fabric.gateway.endpoint import OpenLedger
    from fabric.ledger.health import Check
    from fabric.wire.operators import CodeRevoked, LedgerInfo, LedgerResumed

app = typer.Typer(
    name="ledger",
    help="The ledgers of a fabric: list, status, test, resume, revoke-code.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="Configured name of the ledger.")]


@app.command("list")
def list_ledgers(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """List the ledgers of the running fabric, and which of them are halted."""
    import asyncio

    found = asyncio.run(_ledgers(state, "", status=False))
    if as_json:
        typer.echo(json.dumps([_document(item) for item in found]))
        return
    for item in found:
        halted = f"halted: {item.halted.reason}" if item.halted else "at work"
        typer.echo(plain(f"{item.name:12} {item.kind:12} {item.destination.hex()}  {halted}"))


@app.command()
def status(
    name: Annotated[str, typer.Argument(help="Configured name of the ledger; all by default.")] = "",
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Show head, finality, relayer, fees, open work and refusals of each ledger, and why it is halted."""
    import asyncio

    found = asyncio.run(_ledgers(state, name, status=True))
    if as_json:
        typer.echo(json.dumps([_document(item) for item in found]))
        return
    for item in found:
        _print_status(item)


@app.command("test")
def check(name: Name, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Test a ledger by an own connection, also when no fabric runs: every finding with what to do."""
    import asyncio

    from fabric.gateway.endpoint import read_ledgers

    known = read_ledgers(state)
    checks = asyncio.run(_check(_named(name, known)))
    if as_json:
        rows = [{"check": item.name, "ok": item.ok, "found": item.found, "fix": item.fix} for item in checks]
        typer.echo(json.dumps(rows))
    else:
        _print_checks(checks)
    failed = [item.name for item in checks if not item.ok]
    if failed:
        raise Refused(f"ledger {name!r} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}")


@app.command()
def resume(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why it may go on; kept in the audit.")],
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Let a ledger go on that a reorg beyond finality halted: what it lost is submitted again, once."""
    import asyncio

    resumed = asyncio.run(_resume(state, name, reason))
    document = {
        "ledger": name,
        "halted_for": resumed.halted.reason,
        "halted_at": resumed.halted.since,
        "reopened": resumed.reopened,
        "reason": reason,
    }
    if as_json:
        typer.echo(json.dumps(document))
        return
    typer.echo(plain(f"{name} goes on; it was halted for: {resumed.halted.reason}"))
    typer.echo(
        f"{resumed.reopened} effects and refusals are asked about again; `cryptlet ledger status {name}` shows them"
    )


@app.command("revoke-code")
def revoke_code(
    measurement: Annotated[str, typer.Argument(help="Measurement of the bundle, 64 hexadecimal digits.")],
    since: Annotated[int, typer.Option(min=1, help="Unix seconds; results settled before them stay good.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Have every ledger refuse what a bundle's results would do; for good. Repeat it to see how far it has come."""
    import asyncio

    from fabric.core.ids import Measurement, parse_word

    code = Measurement(parse_word(measurement, "measurement"))
    revoked = asyncio.run(_revoke_code(state, code, since, reason))
    ledgers = [{"ledger": one.ledger, "state": one.state, "reason": one.reason} for one in revoked.ledgers]
    if as_json:
        typer.echo(json.dumps({"measurement": measurement, "since": revoked.since, "ledgers": ledgers}))
        return
    typer.echo(f"{measurement} is revoked: results settled at {revoked.since} or later count for nothing")
    for one in revoked.ledgers:
        typer.echo(plain(f"  {one.ledger:12} {one.state:10} {one.reason}".rstrip()))


async def _revoke_code(state: Path, code: "Measurement", since: int, reason: str) -> "CodeRevoked":
    async with open_client(state) as client:
        return await client.revoke_code(code, since, reason)


async def _ledgers(state: Path, name: str, *, status: bool) -> "tuple[LedgerInfo, ...]":
    async with open_client(state) as client:
        return await client.ledgers(name, status=status)


async def _resume(state: Path, name: str, reason: str) -> "LedgerResumed":
    async with open_client(state) as client:
        return await client.resume_ledger(name, reason)


async def _check(ledger: "OpenLedger") -> "Sequence[Check]":
    from typing import cast

    from fabric.core import plugins
    from fabric.ledger.health import Checker

    checker = cast("Checker", plugins.load(plugins.CHECKS, ledger.destination.kind))
    return await checker(ledger.settings, ledger.destination.id, ledger.account or None)


def _named(name: str, known: "dict[str, OpenLedger]") -> "OpenLedger":
    from fabric.core.plugins import nearest

    if name not in known:
        raise NotFound(f"no ledger {name!r} in this fabric{nearest(name, sorted(known))}")
    return known[name]


def _document(item: "LedgerInfo") -> dict[str, object]:
    document: dict[str, object] = {
        "name": item.name,
        "kind": item.kind,
        "destination": item.destination.hex(),
        "halted": {"reason": item.halted.reason, "since": item.halted.since} if item.halted else None,
    }
    return document | (json.loads(item.status) if item.status else {})


def _print_status(item: "LedgerInfo") -> None:
    facts = json.loads(item.status)
    typer.echo(plain(f"{item.name} ({item.kind})"))
    rows = {"destination": item.destination.hex()} | facts["ledger"]
    if item.halted:
        rows |= {"halted for": item.halted.reason, "to do": f"cryptlet ledger resume {item.name} --reason TEXT"}
    for kind, states in sorted(facts["outbox"].items()):
        rows[f"work {kind}"] = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    rows["newest final"] = facts["newest_final_batch"] or "none yet"
    for name, value in rows.items():
        typer.echo(plain(f"  {name.replace('_', ' '):22} {value}"))
    for refusal in facts["refused"]:
        typer.echo(plain(f"  refused {refusal['kind']:14} {refusal['work'][:16]}: {refusal['reason']}"))
    for entry in facts["resumptions"]:
        typer.echo(plain(f"  resumed by {entry['who']}: {entry['why']} (halted for: {entry['halted_for']})"))


def _print_checks(checks: "Sequence[Check]") -> None:
    for item in checks:
        typer.echo(plain(f"{'ok  ' if item.ok else 'FAIL'}  {item.name:15} {item.found}"))
        if item.fix:
            typer.echo(plain(f"      {'':15} fix: {item.fix}"))
