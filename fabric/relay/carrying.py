"""Carrying: the events that messages rest on are fetched with their proofs, and run through the pipeline in batches."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import FabricError, LedgerError
from fabric.core.ids import BindingVersion, DestinationId, InvocationId, MessageId
from fabric.core.model import Failure
from fabric.relay.lookout import Post
from fabric.relay.mailroom import told_event
from fabric.relay.model import Carry, Leg
from fabric.store.mail import MailEvent, MessageRow
from fabric.store.store import Store
from fabric.trust.binding import Binding
from fabric.wire.service import Answer, Call

MAX_CALLS: Final = 64
"""Messages of one call of the pipeline."""
MAX_BYTES: Final = 8 << 20
"""Inputs of one call of the pipeline; a single longer one travels alone."""
Run = Callable[[Binding, Sequence[Call]], Awaitable[Sequence[Answer]]]
"""Runs calls under a binding in the relay's name and stores what came of them: ``Pipeline.invoke``."""
Begun = tuple[MessageRow, Carry]
"""A message whose attempt is stored as begun."""
_NO_PROOF: Final = "ledger-unavailable"


class Carrier:
    """Runs the relay cryptlet for messages."""

    def __init__(self, posts: Mapping[DestinationId, Post], store: Store, run: Run) -> None:
        """Takes the ledgers, the store and the pipeline."""
        self._posts = posts
        self._store = store
        self._run = run

    async def carry(self, begun: Sequence[Begun]) -> dict[MessageId, Failure]:
        """Makes the attempts that have begun; returns those that left nothing in the store, and why.

        Raises:
            StoreError: the database cannot be read.
        """
        groups: dict[tuple[BindingVersion, str], list[Begun]] = {}
        for row, carry in begun:
            groups.setdefault((carry.binding.version, carry.leg.method), []).append((row, carry))
        failures: dict[MessageId, Failure] = {}
        for found in await asyncio.gather(*(self._group(group) for group in groups.values())):
            failures |= found
        return failures

    async def _group(self, group: Sequence[Begun]) -> dict[MessageId, Failure]:
        """Makes the attempts of one leg under one binding."""
        carry = group[0][1]
        events = await self._events(carry.leg, [row.message.id for row, _ in group])
        shown, failures = await self._show(carry.leg, [row for row, _ in group], events)
        calls = [
            (row.message.id, Call(carry.leg.method, shown[row.message.id], carry.leg.key(row.message, one.attempt)))
            for row, one in group
            if row.message.id in shown
        ]
        for part in _parts(calls):
            failures |= await self._call(carry.binding, part)
        return failures

    async def _events(self, leg: Leg, ids: Sequence[MessageId]) -> dict[MessageId, MailEvent]:
        mailboxes = self._store.mailboxes
        return await (mailboxes.sendings(ids) if leg.is_delivery else mailboxes.endings(ids))

    async def _show(
        self, leg: Leg, rows: Sequence[MessageRow], events: Mapping[MessageId, MailEvent]
    ) -> tuple[dict[MessageId, bytes], dict[MessageId, Failure]]:
        """Returns the inputs of messages whose events their ledgers can show, and why the others' cannot."""
        tellers: dict[DestinationId, list[MailEvent]] = {}
        failures: dict[MessageId, Failure] = {}
        for row in rows:
            place, name = leg.tells(row.message), row.message.id
            if name in events:
                tellers.setdefault(place, []).append(events[name])
            else:  # its ledger was resumed after a reorg, and has not told of it again
                failures[name] = Failure(_NO_PROOF, f"ledger {place.hex()} does not tell of it any more")
        found = await asyncio.gather(*(self._materials(place, told) for place, told in tellers.items()))
        shown: dict[MessageId, bytes] = {}
        for place, materials in zip(tellers, found, strict=True):
            for name, material in materials.items():
                if isinstance(material, Failure):
                    failures[name] = material
                else:
                    shown[name] = _input(place, material)
        return shown, failures

    async def _materials(
        self, place: DestinationId, told: Sequence[MailEvent]
    ) -> dict[MessageId, JsonObject | Failure]:
        """Asks a ledger for its proofs at once; where that fails, by halves, so that one holds up no other."""
        names = [MessageId(event.subject.id) for event in told]
        try:
            made = await self._posts[place].source.event_material([told_event(event) for event in told])
        except LedgerError as error:
            if len(told) == 1:
                return {names[0]: Failure(_NO_PROOF, str(error))}
            middle = len(told) // 2
            return await self._materials(place, told[:middle]) | await self._materials(place, told[middle:])
        return dict(zip(names, made, strict=True))

    async def _call(self, binding: Binding, calls: Sequence[tuple[MessageId, Call]]) -> dict[MessageId, Failure]:
        try:
            answers = await self._run(binding, [call for _, call in calls])
        except FabricError as error:
            return {name: Failure(error.code, str(error)) for name, _ in calls}
        failed = {
            name: (InvocationId(answer.invocation), answer.failure)
            for (name, _), answer in zip(calls, answers, strict=True)
            if answer.failure
        }
        # A failure that stands is stored, and the next turn finds it there.
        stored = await self._store.results([invocation for invocation, _ in failed.values()])
        return {name: failure for name, (invocation, failure) in failed.items() if invocation not in stored}


def _input(place: DestinationId, material: JsonObject) -> bytes:
    return canonical.encode({"events": [{"destination": place.hex(), "material": material}]})


def _parts(calls: Sequence[tuple[MessageId, Call]]) -> Iterator[list[tuple[MessageId, Call]]]:
    """Yields the calls in pieces that the pipeline takes at once."""
    part: list[tuple[MessageId, Call]] = []
    size = 0
    for item in calls:
        length = len(item[1].input)
        if part and (len(part) == MAX_CALLS or size + length > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part
