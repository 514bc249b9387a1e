"""Carrying: the events that messages rest on are fetched with their proofs, and run through the pipeline in batches."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import FabricError
from fabric.core.ids import BindingVersion, DestinationId, InvocationId, MessageId
from fabric.core.model import Failure
from fabric.relay.model import Carry, Leg
from fabric.relay.tellers import NO_PROOF, Tellers
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


class Carrier:
    """Runs the relay cryptlet for messages."""

    def __init__(self, tellers: Tellers, store: Store, run: Run) -> None:
        """Takes the ledgers, the store and the pipeline."""
        self._tellers = tellers
        self._store = store
        self._run = run

    def groups(self, begun: Sequence[Begun]) -> list[list[Begun]]:
        """Returns the attempts that go together: those of one leg under one binding, of which one ledger tells."""
        groups: dict[tuple[BindingVersion, str, DestinationId], list[Begun]] = {}
        for row, carry in begun:
            key = (carry.binding.version, carry.leg.method, carry.leg.tells(row.message))
            groups.setdefault(key, []).append((row, carry))
        return [*groups.values()]

    def is_busy(self, group: Sequence[Begun]) -> bool:
        """Says whether the ledger that tells of a group lets others wait already."""
        row, carry = group[0]
        return self._tellers.is_busy(carry.leg.tells(row.message))

    async def carry(self, group: Sequence[Begun]) -> dict[MessageId, Failure]:
        """Makes the attempts of a group; returns those that left nothing in the store, and why.

        Raises:
            StoreError: the database cannot be read.
        """
        carry = group[0][1]
        shown, failures = await self._show(carry.leg, [row for row, _ in group])
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
        self, leg: Leg, rows: Sequence[MessageRow]
    ) -> tuple[dict[MessageId, bytes], dict[MessageId, Failure]]:
        """Returns the inputs of messages whose events their ledger can show, and why the others' cannot."""
        place = leg.tells(rows[0].message)
        events = await self._events(leg, [row.message.id for row in rows])
        # Its ledger was resumed after a reorg, and has not told of it again.
        gone = Failure(NO_PROOF, f"ledger {place.hex()} does not tell of it any more")
        failures = {row.message.id: gone for row in rows if row.message.id not in events}
        shown: dict[MessageId, bytes] = {}
        for name, material in (await self._tellers.materials(place, [*events.values()])).items():
            if isinstance(material, Failure):
                failures[name] = material
            else:
                shown[name] = _input(place, material)
        return shown, failures

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
