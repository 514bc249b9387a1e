"""``cryptlet relay``: where messages between ledgers are, why they wait, and who must act."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.cli.calls import DEFAULT_STATE, AsJson, State, open_client
from fabric.cli.plain import plain
from fabric.core.clock import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from fabric.client import Client, MessageInfo, MessageList, MessageTrace

app = typer.Typer(no_args_is_help=True, help="Messages between ledgers: where they are and why they wait.")
Name = Annotated[str, typer.Argument(metavar="MSG", help="The message's id, or its first 8 digits or more.")]
_LOOK_SECONDS = 0.25
_ENDED = frozenset({"acknowledged", "refunded"})
_PEOPLE = frozenset({"operator", "recipient", "sender", "channel-parties"})
"""Parties that are no ledger and not time alone."""


@app.command()
def status(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Count messages by route, state and reason."""
    import asyncio

    listed = asyncio.run(_listed(state))
    if as_json:
        typer.echo(json.dumps({"counts": [_count_document(one) for one in listed.counts]}))
        return
    if not listed.counts:
        typer.echo("no message was sent from a ledger of this fabric")
    for one in listed.counts:
        why = f"{one.reason or 'next'}, {one.party} must act" if one.reason or one.party != "nobody" else ""
        line = f"{one.source} -> {one.destination}  {one.count:6} {one.state:14} since {utc_text(one.oldest)}  {why}"
        typer.echo(plain(line.rstrip()))


@app.command()
def trace(
    message: Name,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait until it has ended.")] = 0,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Show every step that a message took."""
    import asyncio

    found = asyncio.run(_trace(state, message, wait, _has_ended))
    if as_json:
        typer.echo(json.dumps(message_document(found.message) | {"steps": _step_documents(found)}))
        return
    _print_message(found.message)
    for step in found.steps:
        attempt = f" #{step.attempt}" if step.attempt else ""
        where = f"{step.ledger} {step.locator}".strip()
        typer.echo(plain(f"  {utc_text(step.time)}  {step.state + attempt:17} {step.reason:22} {where}".rstrip()))
        if step.detail:
            typer.echo(plain(f"    {step.detail}"))
        if step.invocation:
            typer.echo(f"    invocation {step.invocation.hex()}")


@app.command()
def why(
    message: Name,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait until it has ended or somebody must act.")] = 0,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Say where a message is, why it waits, who must act, and what to do next."""
    import asyncio

    found = asyncio.run(_trace(state, message, wait, _rests)).message
    if as_json:
        typer.echo(json.dumps(message_document(found)))
        return
    _print_message(found)
    typer.echo(plain(f"  because    {found.meaning}"))
    if found.detail:
        typer.echo(plain(f"  detail     {found.detail}"))
    typer.echo(plain(f"  who        {found.party}"))
    if found.next_attempt:
        typer.echo(f"  next try   {utc_text(found.next_attempt)}")
    if found.advice:
        typer.echo(plain(f"  what next  {found.advice}"))


@app.command()
def retry(
    message: Name,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the message's trace.")],
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Make another attempt for a message now; for the operator."""
    import asyncio

    found = asyncio.run(_retry(state, message, reason))
    if as_json:
        typer.echo(json.dumps(message_document(found)))
    else:
        typer.echo(f"{found.message.id.hex()} is tried again now")


def message_document(found: "MessageInfo") -> dict[str, object]:
    """Returns a message on its way as a JSON document."""
    message = found.message
    return {
        "id": message.id.hex(),
        "channel": message.channel.hex(),
        "source": found.source,
        "destination": found.destination,
        "sender": message.sender.hex(),
        "recipient": message.recipient.hex(),
        "sequence": message.sequence,
        "expiry": message.expiry,
        "body": message.body.hex(),
        "status": found.state,
        "reason": found.reason,
        "party": found.party,
        "meaning": found.meaning,
        "advice": found.advice,
        "detail": found.detail,
        "attempt": found.attempt,
        "next_attempt": found.next_attempt,
        "created": found.created,
        "changed": found.changed,
    }


def _count_document(one: object) -> dict[str, object]:
    names = ("source", "destination", "state", "reason", "party", "count", "oldest")
    return {name: getattr(one, name) for name in names}


def _step_documents(found: "MessageTrace") -> list[dict[str, object]]:
    names = ("time", "state", "reason", "party", "detail", "attempt", "ledger", "locator", "ledger_time")
    return [{name: getattr(one, name) for name in names} | {"invocation": one.invocation.hex()} for one in found.steps]


def _print_message(found: "MessageInfo") -> None:
    message = found.message
    typer.echo(f"message      {message.id.hex()}")
    typer.echo(plain(f"  route      {found.source} -> {found.destination}, number {message.sequence} of its channel"))
    typer.echo(plain(f"  state      {found.state} since {utc_text(found.changed)}"))
    typer.echo(f"  expires    {utc_text(message.expiry)}")


async def _listed(state: Path) -> "MessageList":
    async with open_client(state) as client:
        return await client.messages()


def _has_ended(found: "MessageInfo") -> bool:
    return found.state in _ENDED


def _rests(found: "MessageInfo") -> bool:
    """Says whether a message has ended, or goes on only when a person acts."""
    return _has_ended(found) or found.party in _PEOPLE


async def _trace(state: Path, name: str, wait: int, is_enough: "Callable[[MessageInfo], bool]") -> "MessageTrace":
    async with open_client(state) as client:
        return await _awaited(client, name, wait, is_enough) if wait else await client.message(name)


async def _awaited(
    client: "Client", name: str, seconds: int, is_enough: "Callable[[MessageInfo], bool]"
) -> "MessageTrace":
    """Returns a message once it is far enough; one that is not known yet may still become final on its ledger."""
    import asyncio

    from fabric.client import RemoteError
    from fabric.core.errors import NotFound, ProofNotReady

    last = f"no message {name}"
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    found = await client.message(name)
                except RemoteError as error:
                    if error.remote_code != NotFound.code:
                        raise
                else:
                    if is_enough(found.message):
                        return found
                    last = f"message {found.message.message.id.hex()[:16]}: {found.message.meaning}"
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError as error:
        raise ProofNotReady(f"{last}, after {seconds} s") from error


async def _retry(state: Path, name: str, reason: str) -> "MessageInfo":
    async with open_client(state) as client:
        return await client.retry_message(name, reason)
