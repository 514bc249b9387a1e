"""The part of the pipeline before the batcher: admit each call of a request, gather outcomes, answer each call."""

from collections.abc import Awaitable, Callable, Sequence

from fabric.bindings.authorise import check_caller
from fabric.core.clock import Clock
from fabric.core.errors import FabricError
from fabric.core.model import Outcome
from fabric.invoke.acceptor import Keyed, retry_of
from fabric.invoke.admission import Desk, refusal
from fabric.invoke.catalogue import Catalogue
from fabric.trust.binding import Binding
from fabric.wire.service import Answer, Call, InvokeReply, InvokeRequest

Gather = Callable[[Binding, Sequence[Keyed]], Awaitable[Sequence[Outcome | FabricError]]]
"""Joins what has arrived into batches and gives each item what became of it."""


class Pipeline:
    """Callers' requests in, answers out."""

    def __init__(self, desk: Desk, catalogue: Catalogue, gather: Gather, clock: Clock) -> None:
        """Takes admission, bundles and the batcher."""
        self._desk = desk
        self._catalogue = catalogue
        self._gather = gather
        self._clock = clock

    async def invoke(self, caller: str, binding: Binding, request: InvokeRequest) -> InvokeReply:
        """Runs the calls of one request; each has an answer of its own.

        Raises:
            Unauthorized: the binding does not name the caller.
            NotFound: the bundle is not to be had.
        """
        check_caller(binding, caller)
        await self._catalogue.fetch(binding.measurement)
        slots = self._admit(caller, binding, request.calls)
        admitted = [slot for slot in slots if isinstance(slot, Keyed)]
        settled = iter(await self._run(binding, admitted) if admitted else ())
        return InvokeReply(tuple(slot if isinstance(slot, Answer) else next(settled) for slot in slots))

    def _admit(self, caller: str, binding: Binding, calls: Sequence[Call]) -> list[Keyed | Answer]:
        listed = self._catalogue.get(binding.measurement)
        as_of = self._clock.unix_seconds()
        slots: list[Keyed | Answer] = []
        for call in calls:
            try:
                slots.append(Keyed(self._desk.admit(caller, binding, listed, call, as_of), call.idempotency_key))
            except FabricError as error:
                slots.append(refusal(error))
        return slots

    async def _run(self, binding: Binding, items: Sequence[Keyed]) -> list[Answer]:
        try:
            settled = await self._gather(binding, items)
        except FabricError as error:
            return [refusal(error, item.invocation.id) for item in items]
        return [_answer(item, result) for item, result in zip(items, settled, strict=True)]


def _answer(item: Keyed, result: Outcome | FabricError) -> Answer:
    if isinstance(result, FabricError):
        return refusal(result, item.invocation.id)
    return Answer(result.invocation, result.output, result.failure, retry_of(result))
