"""Messages on real parts: two native ledgers, an enclave that checks their proofs, a fabric killed at every step."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest

from adapters.native.account import NativeAccount, open_account
from adapters.native.entry import Entry
from fabric.client import Client, RemoteError
from fabric.core.clock import SystemClock
from fabric.core.crashpoint import RELAY_POINTS, CrashPoint
from fabric.core.ids import DestinationId, InvocationId, sha256
from fabric.gateway.kinds import load_kind
from fabric.ledger.rules.operations import Acknowledge, Deliver, Expire
from fabric.relay.model import RELAY_CALLER
from fabric.trust.binding import Binding, write_binding
from fabric.trust.message import Channel, End, Message, Shown
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from registry.folder import FolderRegistry
from registry.publish import publish
from tests.support.house import END_SECONDS, House
from tests.support.house_work import POLL_SECONDS
from tests.support.projects import PUBLISHER, RELAY, built
from tests.support.seeded_keys import SeededKeys

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(900)]

LEDGERS: Final = ("here", "there")
POINTS: Final = sorted(RELAY_POINTS | {CrashPoint.AFTER_SIGN, CrashPoint.AFTER_ENQUEUE})
"""Where the row of a message says less than the store; at those of the outbox the row only waits."""
LIFE: Final = 600
SHORT: Final = 3
BODY: Final = b"a claim"


def account(name: str) -> NativeAccount:
    return open_account(SeededKeys(name)._ed25519)


@dataclass
class Post:
    """A house on two native ledgers, and the accounts at the ends of its channels."""

    house: House

    @property
    def places(self) -> dict[str, DestinationId]:
        return {name: self.house.endpoint.ledgers[name].destination.id for name in LEDGERS}

    def binding(self, place: str, teller: str) -> Binding:
        """Returns the binding of an end on one ledger, which rests on proven events of the other."""
        ledgers = self.house.endpoint.ledgers
        policy = Policy.parse((self.house.state / "policy.json").read_bytes())
        known = policy.destinations[ledgers[teller].destination.id]
        return write_binding(
            {
                "name": f"relay {place}",
                "cryptlet": "relay@1.0.0",
                "measurement": built(RELAY).bundle.measurement.hex(),
                "methods": ["acknowledge", "deliver"],
                "callers": [RELAY_CALLER],
                "requesters": [],
                "valid_seconds": 3_600,
                "destinations": [
                    {
                        "id": ledgers[place].destination.id.hex(),
                        "recipient": ledgers[place].destination.settlement.hex(),
                        "consume": True,
                        "codec": {"kind": "message"},
                    }
                ],
                "sources": [
                    {
                        "destination": ledgers[teller].destination.to_json(),
                        "trust": known.trust,
                        "minimum_status": "operator-final",
                        "accept_asserted": False,
                    }
                ],
            }
        )

    async def bind(self, client: Client) -> None:
        """Puts both bindings in force; a repeat changes nothing."""
        await client.put_binding(self.binding("here", "there").document)
        await client.put_binding(self.binding("there", "here").document)

    def channel(self, salt: bytes = bytes(32)) -> Channel:
        ends = [
            End(self.places[place], account(name).account, self.binding(place, teller).version, Shown.PROVEN)
            for place, teller, name in (("here", "there", "alice"), ("there", "here", "bob"))
        ]
        return Channel.between(ends[0], ends[1], salt)

    async def open(self, client: Client, channel: Channel, *, both: bool = True) -> None:
        for place, name in (("here", "alice"), ("there", "bob"))[: 2 if both else 1]:
            await client.submit_call(place, account(name).open_channel(self.places[place], channel))

    def message(self, channel: Channel, sequence: int, life: int = LIFE) -> Message:
        ends = (self.places["here"], self.places["there"], account("alice").account, account("bob").account)
        return Message(channel.id, *ends, sequence, SystemClock().unix_seconds() + life, sha256(BODY))

    async def send(self, client: Client, message: Message) -> Message:
        await client.submit_call("here", account("alice").send(self.places["here"], message, BODY))
        return message

    def effects(self) -> Counter[tuple[str, bytes]]:
        """Returns how often each message was delivered, expired and acknowledged, as the ledgers' own files say."""
        found: Counter[tuple[str, bytes]] = Counter()
        for name in LEDGERS:
            file = self.house.state / "ledgers" / name / "native.db"
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                for (data,) in connection.execute("SELECT entry FROM entries"):
                    operation = Entry.decode(data).envelope.operation
                    if isinstance(operation, Deliver):
                        found["delivered", operation.delivery.message.id] += 1
                    elif isinstance(operation, Expire):
                        found["expired", operation.message.id] += 1
                    elif isinstance(operation, Acknowledge):
                        found["acknowledged", operation.acknowledgement.message.id] += 1
        return found


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    house = House(tmp_path_factory.mktemp("post"))
    publish(built(RELAY).wheel, FolderRegistry(house.registry), PUBLISHER)
    text, _, _ = house.config.read_text().partition("[ledgers.")
    house.config.write_text(text + "".join(f'[ledgers.{name}]\nkind = "native"\n' for name in LEDGERS))
    try:
        house.start()
        yield Post(house)
        house.stop()
    finally:
        house.close()


@pytest.fixture
async def client(post: Post) -> AsyncIterator[Client]:
    async with post.house.client() as opened:
        await post.bind(opened)
        yield opened


async def ended(client: Client, messages: Sequence[Message]) -> list[str]:
    """Waits until messages have ended; returns how."""
    async with asyncio.timeout(END_SECONDS):
        while True:
            states = [await state_of(client, message) for message in messages]
            if {*states} <= {"acknowledged", "refunded"}:
                return states
            await asyncio.sleep(POLL_SECONDS)


async def state_of(client: Client, message: Message) -> str:
    try:
        return (await client.message(message.id.hex())).message.state
    except RemoteError as error:
        if error.remote_code != "not-found":
            raise
        return "not read yet"


async def test_a_message_is_carried_and_its_records_verify_offline(post: Post, client: Client) -> None:
    channel = post.channel()
    await post.open(client, channel)
    message = await post.send(client, post.message(channel, 0))
    assert await ended(client, [message]) == ["acknowledged"]
    trace = await client.message(message.id.hex()[:8])
    invocations = {step.state: InvocationId(step.invocation) for step in trace.steps if step.invocation}
    policy = Policy.parse((post.house.state / "policy.json").read_bytes())
    for state, place in (("delivering", "there"), ("acknowledging", "here")):
        verified = verify(await client.proof(invocations[state], post.places[place]), policy, load_kind)
        sources: Any = verified.proof.statement["sources"]
        assert [source["message"] for source in sources] == [message.id.hex()]


async def test_one_to_nobody_is_refunded(post: Post, client: Client) -> None:
    channel = post.channel(bytes([1]) * 32)
    await post.open(client, channel, both=False)
    message = await post.send(client, post.message(channel, 0, SHORT))
    assert await ended(client, [message]) == ["refunded"]
    assert post.effects()["expired", message.id] == 1


async def test_killed_at_every_step_of_it(post: Post) -> None:
    """One message for each point and one to nobody, and a fabric that ends at that point; all in one house."""
    live, dead = post.channel(bytes([2]) * 32), post.channel(bytes([3]) * 32)
    async with post.house.client() as opened:
        await post.bind(opened)
        await post.open(opened, live)
        await post.open(opened, dead, both=False)
    messages: list[Message] = []
    for number, point in enumerate(POINTS):
        async with post.house.client() as opened:
            lost = await post.send(opened, post.message(dead, number, SHORT))
            post.house.crash_file.write_text(point)
            claim = post.message(live, number)
            with suppress(RemoteError):
                await post.send(opened, claim)
            post.house.wait_killed()
        post.house.start()
        async with post.house.client() as opened:
            await post.send(opened, claim)  # whether it was sent nobody knows; the same message is sent once
        messages += [claim, lost]
    expected = ["acknowledged", "refunded"] * len(POINTS)
    async with post.house.client() as opened:
        assert await ended(opened, messages) == expected
    effects = post.effects()
    for message, outcome in zip(messages, expected, strict=True):
        ending = "delivered" if outcome == "acknowledged" else "expired"
        assert effects[ending, message.id] == effects["acknowledged", message.id] == 1
        assert effects["expired" if ending == "delivered" else "delivered", message.id] == 0
