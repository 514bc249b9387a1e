"""``cryptlet channel`` and ``cryptlet message``: what an account of a ledger of our own signs and sends.

The key is read here, signs here, and goes nowhere: a fabric gets the signed call.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from fabric.cli.calls import DEFAULT_STATE, AsJson, State, open_client
from fabric.cli.inputs import read_input
from fabric.cli.plain import plain
from fabric.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from fabric.client import CallTaken, Client
    from fabric.core.ids import DestinationId
    from fabric.ledger.accounts import AccountHolder
    from fabric.trust.destination import Destination
    from fabric.trust.message import Channel, Message

app = typer.Typer(no_args_is_help=True, help="Channels between two ledgers.")
messages = typer.Typer(no_args_is_help=True, help="Messages from accounts of a ledger of our own.")
File = Annotated[Path, typer.Argument(help="The channel, as TOML (docs/guide/bindings.md).")]
Key = Annotated[Path, typer.Option(help="Ed25519 key file of the account; it is read here and sent nowhere.")]
Ledger = Annotated[str | None, typer.Option(help="Name of the ledger; where the key has an end on both.")]
_EXPECTED: Final = re.compile(r"WrongSequence: expected (\d+)")
_RACES: Final = 8
"""How often another message of the same channel may be faster."""


@dataclass(frozen=True)
class _Sender:
    """An account at one end of a channel."""

    ledger: str
    place: "DestinationId"
    holder: "AccountHolder"


@app.command(name="id")
def show_id(file: File, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """Print the id of a channel; both ends open the same one."""
    from fabric.relay.file import read_channel_file

    channel = read_channel_file(file, _ledgers(state))
    typer.echo(json.dumps({"channel": channel.id.hex()}) if as_json else channel.id.hex())


@app.command(name="open")
def open_channel(
    file: File, key: Key, ledger: Ledger = None, state: State = DEFAULT_STATE, as_json: AsJson = False
) -> None:
    """Open the account's end of a channel on a ledger of our own; a repeat changes nothing."""
    import asyncio

    from fabric.relay.file import read_channel_file

    channel = read_channel_file(file, _ledgers(state))
    sender = _sender(channel, key, ledger, state)
    taken = asyncio.run(_submit(state, sender.ledger, sender.holder.open_channel(sender.place, channel)))
    document = {"channel": channel.id.hex(), "ledger": sender.ledger, "locator": taken.locator, "time": taken.time}
    line = f"channel {channel.id.hex()} is open on {sender.ledger}, {taken.locator}"
    typer.echo(json.dumps(document) if as_json else plain(line))


@app.command()
def account(
    key: Key,
    ledger: Annotated[str, typer.Option(help="Name of the ledger.")] = "native",
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Print the account of a key on a ledger of our own; makes the key file where there is none."""
    from fabric.core.plugins import nearest
    from fabric.signers.personal import open_personal_key

    known = _ledgers(state)()
    if ledger not in known:
        raise NotFound(f"no ledger {ledger!r} in this fabric{nearest(ledger, [*known])}")
    opened = open_personal_key(key, "account")
    holder = _holder(known[ledger].kind, opened.key)
    if holder is None:
        raise Refused(f"ledger {ledger!r} keeps no accounts of its own; its accounts are those of its nodes")
    document = {"account": holder.account.hex(), "ledger": ledger, "key_is_new": opened.is_new}
    typer.echo(json.dumps(document) if as_json else holder.account.hex())


@app.command(name="list")
def list_channels(state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """List the channels that are open at an end, as far as final events show."""
    import asyncio

    found = asyncio.run(_channels(state))
    if as_json:
        typer.echo(json.dumps({"channels": found}))
        return
    for one in found:
        ends = [
            f"{end['ledger']} {'open' if end['open'] else 'NOT open'}"
            for end in cast("list[dict[str, object]]", one["ends"])
        ]
        typer.echo(plain(f"{one['channel']}  {', '.join(ends)}"))


@messages.command()
def send(
    channel: Annotated[str, typer.Argument(help="Id of the channel, 64 hexadecimal digits.")],
    body: Annotated[Path, typer.Option(help="File with the body, at most 30,720 bytes; - reads standard input.")],
    key: Key,
    expires_in: Annotated[int, typer.Option(min=1, help="Seconds from now until it expires.")] = 3_600,
    expires_at: Annotated[int, typer.Option(min=0, help="Unix seconds instead, to repeat a message.")] = 0,
    sequence: Annotated[int, typer.Option(min=-1, help="Its number, to repeat a message; by default the next.")] = -1,
    ledger: Ledger = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Send a message from an account of a ledger of our own."""
    import asyncio

    from fabric.core.clock import SystemClock
    from fabric.core.ids import ChannelId, parse_word
    from fabric.trust.message import MAX_BODY_BYTES

    name = ChannelId(parse_word(channel, "CHANNEL"))
    data = read_input(body, MAX_BODY_BYTES, "a body")
    expiry = expires_at or SystemClock().unix_seconds() + expires_in
    message, place, taken = asyncio.run(_send(state, name, _Draft(data, expiry, sequence), (key, ledger)))
    document = {
        "id": message.id.hex(),
        "channel": message.channel.hex(),
        "ledger": place,
        "sequence": message.sequence,
        "expiry": message.expiry,
        "locator": taken.locator,
        "time": taken.time,
    }
    line = f"message {message.id.hex()} is sent on {place}, {taken.locator}; cryptlet relay why {message.id.hex()[:16]}"
    typer.echo(json.dumps(document) if as_json else plain(line))


@dataclass(frozen=True)
class _Draft:
    """A message before it has a number; -1 takes the next."""

    body: bytes
    expiry: int
    sequence: int


def _ledgers(state: Path) -> "Callable[[], Mapping[str, Destination]]":
    def read() -> "Mapping[str, Destination]":
        from fabric.gateway.endpoint import Endpoint

        return {name: item.destination for name, item in Endpoint.read(state).ledgers.items()}

    return read


def _sender(channel: "Channel", key: Path, ledger: str | None, state: Path) -> _Sender:
    """Returns the end of a channel that a key is the account of.

    Raises:
        NotFound: it is that of none.
        Refused: it is that of both, and no ledger is named.
    """
    from fabric.signers.personal import open_personal_key

    secret = open_personal_key(key, "account", may_make=False).key
    found: list[_Sender] = []
    accounts: list[str] = []
    for name, destination in _ledgers(state)().items():
        end = channel.end_at(destination.id)
        holder = _holder(destination.kind, secret) if end and ledger in (None, name) else None
        if end is None or holder is None:
            continue
        accounts.append(f"account {holder.account.hex()} on {name}, whose end is of {end.account.hex()}")
        if holder.account == end.account:
            found.append(_Sender(name, destination.id, holder))
    if not found:
        known = "; ".join(accounts) or "no end is on a ledger of this fabric that takes signed calls"
        raise NotFound(f"key {key} is no end of channel {channel.id.hex()}: {known}")
    if len(found) > 1:
        raise Refused(f"key {key} is the account of both ends; say which with --ledger {found[0].ledger}")
    return found[0]


def _holder(kind: str, secret: object) -> "AccountHolder | None":
    from fabric.core import plugins

    if kind not in plugins.names(plugins.ACCOUNTS):
        return None
    opener = cast("Callable[[object], AccountHolder]", plugins.load(plugins.ACCOUNTS, kind))
    return opener(secret)


async def _submit(state: Path, ledger: str, call: bytes) -> "CallTaken":
    async with open_client(state) as client:
        return await client.submit_call(ledger, call)


async def _channels(state: Path) -> list[dict[str, object]]:
    async with open_client(state) as client:
        found = await client.channels()
    return [
        {
            "channel": one.channel.id.hex(),
            "ends": [
                {
                    "ledger": end.ledger,
                    "destination": end.destination.hex(),
                    "open": end.is_open,
                    "locator": end.locator,
                    "next_sequence": end.next_sequence,
                }
                for end in one.ends
            ],
        }
        for one in found
    ]


async def _send(
    state: Path, name: bytes, draft: _Draft, whose: tuple[Path, str | None]
) -> "tuple[Message, str, CallTaken]":
    """Sends a message under the next number; another sender of the account may be faster, a few times."""
    from fabric.core.ids import ChannelId

    async with open_client(state) as client:
        (found,) = await client.channels(ChannelId(name))
        sender = _sender(found.channel, whose[0], whose[1], state)
        (sequence,) = (end.next_sequence for end in found.ends if end.destination == sender.place)
        sequence = draft.sequence if draft.sequence >= 0 else sequence
        for _ in range(_RACES):
            message = _message(found.channel, sender, draft, sequence)
            taken = await _try_to_send(client, sender, message, draft)
            if not isinstance(taken, int):
                return message, sender.ledger, taken
            sequence = taken
    raise Refused(f"others sent on channel {name.hex()} faster, {_RACES} times; nothing of this message was sent")


async def _try_to_send(client: "Client", sender: _Sender, message: "Message", draft: _Draft) -> "CallTaken | int":
    """Returns where it was sent; the number that the ledger expects where its own is taken and not asked for."""
    from fabric.client import RemoteError

    call = sender.holder.send(sender.place, message, draft.body)
    try:
        return await client.submit_call(sender.ledger, call)
    except RemoteError as error:
        expected = _EXPECTED.search(str(error))
        if expected and draft.sequence < 0:
            return int(expected[1])
        if error.remote_retry == "unknown":
            again = f"--sequence {message.sequence} --expires-at {message.expiry}"
            typer.echo(f"it may have been sent; send exactly this message again with {again}", err=True)
        raise


def _message(channel: "Channel", sender: _Sender, draft: _Draft, sequence: int) -> "Message":
    from fabric.core.ids import sha256
    from fabric.trust.message import Message

    own, other = channel.end_at(sender.place), channel.end_beyond(sender.place)
    if own is None or other is None:
        raise NotFound(f"channel {channel.id.hex()} has no end on {sender.ledger}")
    ends = (own.destination, other.destination, own.account, other.account)
    return Message(channel.id, *ends, sequence, draft.expiry, sha256(draft.body))
