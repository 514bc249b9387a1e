"""What became of work: by its effect first, which the endorsers show, by its transaction second."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from adapters.hyperledger.client.answers import UntrueAnswer
from adapters.hyperledger.client.applied import Refusal
from adapters.hyperledger.client.blocks import VALID, code_name
from adapters.hyperledger.client.endorsing import Endorser
from adapters.hyperledger.client.peers import COMMIT_STATUS, PeerError, PeerSide
from adapters.hyperledger.client.reading import Found, ReadBack, Reader
from adapters.hyperledger.client.settings import Limits
from adapters.hyperledger.client.stored import Sent, read_stored
from adapters.hyperledger.client.work import Effect, task_of
from adapters.hyperledger.proto import gateway_pb2
from fabric.core.clock import Clock
from fabric.core.errors import LedgerUnavailable, Malformed
from fabric.ledger.port import Observation, Phase, Receipt, Settle, Submission, Work
from fabric.signers.queries import CommitStatus
from fabric.trust.destination import Destination

_ABSENT: Final = Observation(Phase.ABSENT)
_REMEMBERED: Final = 10_000
_LOOKS: Final = 10
_LOOK_SECONDS: Final = 0.2
"""Together two seconds, in which the endorsers may come to the block that another peer already has."""
_AT_ONCE: Final = 16


@dataclass(frozen=True)
class Asking:
    """Who is asked about one deployment, and for how long."""

    peers: PeerSide
    endorser: Endorser
    reader: Reader
    limits: Limits


@dataclass(frozen=True)
class _Case:
    """A piece of work, how its effect shows, and what was stored of it."""

    work: Work
    effect: Effect
    stored: Sent | Refusal | None


@dataclass(frozen=True)
class _Shown:
    """An effect that stands, and its time, Unix seconds."""

    found: Found
    read: ReadBack
    time: int


class Observer:
    """Answers for one deployment."""

    def __init__(self, asking: Asking, destination: Destination, clock: Clock) -> None:
        """Takes whom it asks about which destination."""
        self._asking = asking
        self._destination = destination
        self._clock = clock
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._free = asyncio.Semaphore(_AT_ONCE)

    def remember(self, transaction: str) -> None:
        """Remembers that a transaction was sent just now; for a while it counts as on its way."""
        self._sent[transaction] = self._clock.monotonic_seconds()
        self._sent.move_to_end(transaction)
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> list[Observation]:
        """Returns one observation for each piece of work; see ``fabric.ledger.port``.

        Raises:
            LedgerUnavailable: no answer, or a transaction counts as valid whose effect nobody shows.
        """
        cases = [self._case(each, submission) for each, submission in work]
        shown = await self._look(cases)
        codes = await self._codes([case for case, each in zip(cases, shown, strict=True) if each is None])
        for _ in range(_LOOKS):
            late = [at for at, case in enumerate(cases) if shown[at] is None and _is_valid(case, codes)]
            if not late:
                break
            again = await self._look([cases[at] for at in late])
            for at, each in zip(late, again, strict=True):
                shown[at] = each
            if None in again:
                await asyncio.sleep(_LOOK_SECONDS)
        return list(await asyncio.gather(*(self._judge(*each, codes) for each in zip(cases, shown, strict=True))))

    def _case(self, work: Work, submission: Submission | None) -> _Case:
        effect = task_of(work, self._destination).effect
        return _Case(work, effect, read_stored(submission) if submission else None)

    async def _look(self, cases: Sequence[_Case]) -> list[_Shown | None]:
        """Returns the effects that stand."""
        reads = await self._asking.reader.read_many([case.effect.key for case in cases])
        by_key = {key: read for read in reads for key in read.found}
        return [_shown(case.effect, by_key[case.effect.key]) for case in cases]

    async def _codes(self, cases: Sequence[_Case]) -> dict[str, int | None]:
        """Returns the validation codes of transactions, None of those that are in no block yet."""
        names = list(dict.fromkeys(case.stored.transaction for case in cases if isinstance(case.stored, Sent)))
        codes = await asyncio.gather(*(self._code(name) for name in names))
        return dict(zip(names, codes, strict=True))

    async def _code(self, transaction: str) -> int | None:
        endorser = self._asking.endorser
        query = CommitStatus(endorser.place.channel, transaction, endorser.client.identity)
        signed = await endorser.sign_query(query)
        request = gateway_pb2.SignedCommitStatusRequest(request=signed.data, signature=signed.signature)
        try:
            async with self._free:
                answer = await self._asking.peers.ask(COMMIT_STATUS, request, self._asking.limits.status_seconds)
        except PeerError as error:
            if error.status is grpc.StatusCode.DEADLINE_EXCEEDED:
                return None  # the peer waits for the transaction to come
            raise
        return answer.result

    async def _judge(self, case: _Case, shown: _Shown | None, codes: dict[str, int | None]) -> Observation:
        if shown:
            return Observation(Phase.FINAL, await self._receipt(case, shown))
        if isinstance(case.stored, Refusal):
            return Observation(Phase.REFUSED, reason=case.stored.text)
        if case.stored is None:
            return _ABSENT
        code = codes[case.stored.transaction]
        if code is None:
            return self._without_block(case.stored)
        if code == VALID:
            message = f"transaction {case.stored.transaction} counts as valid, and the endorsers show no effect"
            raise LedgerUnavailable(message)
        return Observation(Phase.LOST, reason=code_name(code))

    def _without_block(self, stored: Sent) -> Observation:
        sent = self._sent.get(stored.transaction)
        if sent is not None and self._clock.monotonic_seconds() - sent < self._asking.limits.pending_seconds:
            return Observation(Phase.PENDING)
        if stored.certificate_end() < self._clock.unix_seconds():
            # Nobody takes it any more. Should it be in a block after all, the second of the two changes nothing.
            return Observation(Phase.LOST, reason="the certificate that it was signed under has ended")
        return _ABSENT

    async def _receipt(self, case: _Case, shown: _Shown) -> Receipt:
        if isinstance(case.work, Settle) and len(shown.read.found) > 1:
            # It goes into every proof of the batch: so it shows this key alone.
            read = await self._asking.reader.read([case.effect.key])
            shown = _shown(case.effect, read) or shown
        return Receipt(
            destination=self._destination.id,
            locator=f"block {shown.found.block} tx {shown.found.version[1]}",
            position=shown.found.block,
            time=shown.time,
            material={"read": shown.read.material},
        )


def _is_valid(case: _Case, codes: dict[str, int | None]) -> bool:
    return isinstance(case.stored, Sent) and codes.get(case.stored.transaction) == VALID


def _shown(effect: Effect, read: ReadBack) -> _Shown | None:
    found = read.found[effect.key]
    if found is None:
        return None
    try:
        time = effect.time_of(found.value)
    except Malformed as error:
        message = f"{effect.key}: {error}"
        raise UntrueAnswer(message) from error
    # What states no time of its own stands at least since it was read.
    return None if time is None else _Shown(found, read, time or read.time)
