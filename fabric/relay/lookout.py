"""The lookout: gathers what is known of messages and of what concerns them, a few queries for many messages."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fabric.core.clock import Clock
from fabric.core.errors import LedgerError
from fabric.core.ids import BindingVersion, DestinationId, FabricId, MessageId
from fabric.ledger.port import MailboxSource
from fabric.relay.model import BEFORE_END, Facts, Side, Trouble, invocation_of
from fabric.store.mail import MessageRow, OpenChannel
from fabric.store.store import Store
from fabric.store.values import Progress
from fabric.trust.binding import Binding
from fabric.trust.destination import Destination

TIME_SECONDS: Final = 2.0
"""How long a ledger may take to say its time; messages that others wait for must not wait for it."""
SILENCE_SECONDS: Final = 10.0
"""How long a ledger that did not say it is not asked again."""


def no_trouble() -> Trouble | None:
    """Says that nothing is known against a ledger."""
    return None


@dataclass(frozen=True)
class Post:
    """A ledger of this fabric that has a mailbox.

    Attributes:
        destination: the deployment.
        source: its mailbox.
        asserted: whether its events can be asserted only.
        trouble: says why it takes nothing now.
    """

    destination: Destination
    source: MailboxSource
    asserted: bool = False
    trouble: Callable[[], Trouble | None] = no_trouble


@dataclass
class Lookout:
    """Knows the ledgers and the store.

    Attributes:
        fabric: this deployment.
        posts: the ledgers with a mailbox, by destination id.
        store: the store.
        clock: this fabric's time.
    """

    fabric: FabricId
    posts: Mapping[DestinationId, Post]
    store: Store
    clock: Clock
    _bindings: dict[BindingVersion, Binding] = field(default_factory=dict)
    _silent: dict[DestinationId, float] = field(default_factory=dict)

    async def facts(self, rows: Sequence[MessageRow]) -> dict[MessageId, Facts]:
        """Returns what is known of each message.

        Raises:
            StoreError: the database cannot be read.
        """
        now = self.clock.unix_seconds()
        endings = await self.store.mailboxes.endings([row.message.id for row in rows])
        channels = await self.store.mailboxes.channels([*{row.message.channel for row in rows}])
        bindings = await self._known_bindings(channels.values())
        sides = await self._sides(rows)
        # Results before work: an invocation that is stored has its work stored with it.
        invocations = {row.message.id: invocation_of(self.fabric, row.message, row.passage) for row in rows}
        results = await self.store.results([one for one in invocations.values() if one])
        work = await self._work(rows)
        return {
            (name := row.message.id): Facts(
                now=now,
                fabric=self.fabric,
                channel=channels[row.message.channel].channel,
                opened=row.message.destination in channels[row.message.channel].opened,
                ending=endings.get(name),
                source=sides[row.message.source],
                destination=sides[row.message.destination],
                bindings=bindings,
                outcome=stored.outcome if (invoked := invocations[name]) and (stored := results.get(invoked)) else None,
                work=work.get((row.waits_on, row.passage.work or b"")),
            )
            for row in rows
        }

    async def _known_bindings(self, channels: Iterable[OpenChannel]) -> dict[BindingVersion, Binding]:
        """Returns the bindings of ends on ledgers of this fabric; what a version names never changes."""
        ends = [end for each in channels for end in (each.channel.first, each.channel.second)]
        wanted = {end.binding for end in ends if end.destination in self.posts}
        for version in wanted - self._bindings.keys():
            binding = await self.store.bindings.get(version)
            if binding:
                self._bindings[version] = binding
        return {version: self._bindings[version] for version in wanted & self._bindings.keys()}

    async def _sides(self, rows: Sequence[MessageRow]) -> dict[DestinationId, Side]:
        places = {place for row in rows for place in (row.message.source, row.message.destination)}
        asked = [*{row.message.destination for row in rows if row.passage.state in BEFORE_END} & self.posts.keys()]
        times = dict(zip(asked, await asyncio.gather(*map(self._time, asked)), strict=True))
        return {place: await self._side(place, times.get(place)) for place in places}

    async def _side(self, place: DestinationId, time: int | None) -> Side:
        post = self.posts.get(place)
        if post is None:
            return Side()
        halt = await self.store.halts.of(place)
        return Side(post.destination, halt.reason if halt else "", time, post.asserted, post.trouble())

    async def _time(self, place: DestinationId) -> int | None:
        now = self.clock.monotonic_seconds()
        if self._silent.get(place, 0.0) > now:
            return None
        try:
            return await asyncio.wait_for(self.posts[place].source.ledger_time(), TIME_SECONDS)
        except (LedgerError, TimeoutError):
            self._silent[place] = now + SILENCE_SECONDS
            return None

    async def _work(self, rows: Sequence[MessageRow]) -> dict[tuple[DestinationId, bytes], Progress]:
        places: dict[DestinationId, list[bytes]] = {}
        for row in rows:
            if row.passage.work:
                places.setdefault(row.waits_on, []).append(row.passage.work)
        found: dict[tuple[DestinationId, bytes], Progress] = {}
        for place, ids in places.items():
            progress = await self.store.outbox.found(place, ids)
            found |= {(place, work): one for work, one in progress.items()}
        return found
