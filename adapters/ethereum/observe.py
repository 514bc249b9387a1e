"""What became of work: by its effect first, by its transaction second.

Four round trips at most, whatever the number of works: the view; effects, transactions and their receipts; events of
effects that another transaction brought about, and replays of refused ones; the blocks that are new. Under a head that
was seen before, and for effects whose block still stands, the view is all. Where blocks carry seals, effects that
became final take one more, for the headers that follow them.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.ethereum import answers, calls, reverts
from adapters.ethereum.answers import Outcome
from adapters.ethereum.calls import Effect, Inquiry
from adapters.ethereum.lanes import Lane
from adapters.ethereum.recall import Recall, included
from adapters.ethereum.receipts import Place, Receipts
from adapters.ethereum.rpc import Call, Rpc, RpcError
from adapters.ethereum.rpc import results as rpc_results
from adapters.ethereum.transactions import Eip1559, decode, transaction_hash
from adapters.ethereum.view import View, Watch
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, Malformed
from fabric.ledger.port import Observation, Phase, Receipt, Submission, Work

_ABSENT: Final = Observation(Phase.ABSENT)
_PENDING: Final = Observation(Phase.PENDING)


@dataclass(frozen=True)
class _Case:
    """One piece of work and what is asked about it."""

    work: Work
    inquiry: Inquiry
    transaction: Eip1559 | None
    locator: str


@dataclass(frozen=True)
class _Found:
    """What the node said: whether the effect is there, the transaction's receipt, and where the transaction is."""

    is_there: bool
    outcome: Outcome | None = None
    is_known: bool = False
    is_mined: bool = False


@dataclass(frozen=True)
class Node:
    """What one observer asks: the node, settlement contract and relayer (20 bytes each), where the logs begin."""

    rpc: Rpc
    settlement: bytes
    account: bytes
    start: int


class Observer:
    """Answers for one settlement deployment and one relayer account."""

    def __init__(self, node: Node, watch: Watch, lane: Lane, receipts: Receipts) -> None:
        """Takes what it asks and remembers."""
        self._node = node
        self._watch = watch
        self._lane = lane
        self._receipts = receipts
        self._recall = Recall()

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> list[Observation]:
        """Returns one observation for each piece of work; see ``fabric.ledger.port``."""
        cases = [_case(each, submission, self._node.settlement) for each, submission in work]
        # Read before anything is awaited, so that no other round's work is taken for a gap.
        self._lane.hold(case.transaction.nonce for case in cases if case.transaction)
        view = await self._watch.view(self._recall.blocks(case.work.work_id for case in cases))
        known = [self._recall.answer(case.work.work_id, case.locator, view) for case in cases]
        asked = [case for case, answer in zip(cases, known, strict=True) if answer is None]
        fresh = iter(await self._look(asked, view))
        seen = await self._complete([next(fresh) if answer is None else answer for answer in known])
        for case, observation in zip(cases, seen, strict=True):
            self._remember(case, observation, view)
        return seen

    def forget(self) -> None:
        """Forgets every effect that was seen."""
        self._recall = Recall()

    async def _look(self, cases: Sequence[_Case], view: View) -> list[Observation]:
        found = await self._ask(cases, view)
        places, reasons = await self._explain(list(zip(cases, found, strict=True)), view)
        wanted = [(place, cases[at].inquiry.effect) for at, place in places.items()]
        # A refusal is for good, so the receipt that shows it must be of its block too.
        refused = [outcome for at in reasons if (outcome := found[at].outcome)]
        receipts = dict(zip(places, await self._receipts.make(wanted, refused), strict=True))
        for at, place in places.items():
            self._recall.keep(cases[at].work.work_id, place.block_hash, receipts[at])
        return [self._judge(case, found[at], view, receipts.get(at), reasons.get(at)) for at, case in enumerate(cases)]

    async def _complete(self, seen: list[Observation]) -> list[Observation]:
        """Gives final effects what proves them final; a receipt is made when its effect is included."""
        final = [at for at, observation in enumerate(seen) if observation.phase is Phase.FINAL]
        receipts = await self._receipts.complete([receipt for at in final if (receipt := seen[at].receipt)])
        for at, receipt in zip(final, receipts, strict=True):
            seen[at] = Observation(Phase.FINAL, receipt)
        return seen

    def _remember(self, case: _Case, observation: Observation, view: View) -> None:
        if observation.phase is Phase.PENDING:
            self._recall.wait(case.locator, view)
        if observation.phase is not Phase.INCLUDED:
            self._recall.forget(case.work.work_id)

    async def _ask(self, cases: Sequence[_Case], view: View) -> list[_Found]:
        final = self._watch.final_call(view)
        questions = [self._questions(case, view) for case in cases]
        asked = [*final, *itertools.chain.from_iterable(questions)]
        given = await self._node.rpc.batch(asked)
        answered = calls.answered([case.inquiry for case in cases], map(len, questions), given[len(final) :])
        results = rpc_results(asked, [*given[: len(final)], *answered])
        self._watch.remember(results[: len(final)])
        remaining = iter(results[len(final) :])
        with answers.reading():
            return [
                _found(case.inquiry, list(itertools.islice(remaining, len(each))))
                for case, each in zip(cases, questions, strict=True)
            ]

    def _questions(self, case: _Case, view: View) -> list[Call]:
        call: JsonValue = {
            "to": _hex(self._node.settlement),
            "data": _hex(case.inquiry.question),
        }
        asked: list[Call] = [("eth_call", [call, hex(view.head.number)])]
        if case.transaction:
            asked.append(("eth_getTransactionReceipt", [case.locator]))
            asked.append(("eth_getTransactionByHash", [case.locator]))
        return asked

    async def _explain(
        self, cases: Sequence[tuple[_Case, _Found]], view: View
    ) -> tuple[dict[int, Place], dict[int, str]]:
        """Returns places of effects and reasons of final refusals, by the index of their case."""
        places: dict[int, Place] = {}
        asked: dict[int, list[Call]] = {}
        for at, (case, found) in enumerate(cases):
            if _shows(found.outcome, case.inquiry.effect, self._node.settlement):
                places[at] = _place_of(found.outcome)
            elif found.is_there:
                asked[at] = [self._logs_call(case.inquiry.effect, view)]
            elif found.outcome and found.outcome.block <= view.final:
                asked[at] = self._replays(case, found.outcome)
        remaining = iter(await self._node.rpc.batch([*itertools.chain.from_iterable(asked.values())]))
        reasons: dict[int, str] = {}
        for at, questions in asked.items():
            given = list(itertools.islice(remaining, len(questions)))
            case, found = cases[at]
            place = self._place_in_logs(case, given[0]) if found.is_there else None
            if place:
                places[at] = place
            elif not found.is_there:
                reasons[at] = _reason(case, found, given)
        return places, reasons

    def _logs_call(self, effect: Effect, view: View) -> Call:
        wanted: JsonValue = {
            "address": _hex(self._node.settlement),
            "topics": effect.filter(),
            "fromBlock": hex(self._node.start),
            "toBlock": hex(view.head.number),
        }
        return "eth_getLogs", [wanted]

    def _replays(self, case: _Case, outcome: Outcome) -> list[Call]:
        """Returns the refused call on the state after its block, and on the one before it.

        What it rests on, its batch perhaps, came into the block before it more often than what it stumbled over after.
        """
        if case.transaction is None or outcome.succeeded:
            return []
        call: JsonValue = {
            "from": _hex(self._node.account),
            "to": _hex(case.transaction.to),
            "data": _hex(case.transaction.data),
            "gas": hex(case.transaction.gas),
        }
        return [("eth_call", [call, hex(number)]) for number in (outcome.block, outcome.block - 1)]

    def _place_in_logs(self, case: _Case, answer: JsonValue | RpcError) -> Place | None:
        if isinstance(answer, RpcError):
            return None
        with answers.reading():
            logs = [answers.event_log(each) for each in answers.items(answer, "logs")]
        for log in logs:
            if case.inquiry.effect.is_shown_by(log, self._node.settlement):
                return Place(log.block, log.block_hash, log.transaction_index)
        return None

    def _judge(
        self,
        case: _Case,
        found: _Found,
        view: View,
        receipt: Receipt | None,
        reason: str | None,
    ) -> Observation:
        if receipt:
            return included(receipt, view)
        if reason is not None:
            # Why it was refused, and whether for good, is not known: only another attempt can tell.
            return Observation(Phase.LOST if reason == _UNSHOWN else Phase.REFUSED, reason=reason)
        if found.is_there:
            # Never asked for again as absent, and never called final without what proves it.
            return Observation(Phase.PENDING, reason="its effect is there, but the node does not show the event")
        if found.outcome or found.is_mined:
            # Refused, or not looked at from a later block yet: either may change until the block is final.
            return _PENDING
        return self._judge_absent(case.transaction, found, view)

    def _judge_absent(self, transaction: Eip1559 | None, found: _Found, view: View) -> Observation:
        """Judges work whose effect is not there and whose transaction, if it has one, is in no block."""
        lost = self._why_lost(transaction, found, view) if transaction else ""
        if transaction and lost:
            self._lane.release(transaction.nonce)
            return Observation(Phase.LOST, reason=lost)
        return _PENDING if found.is_known else _ABSENT

    def _why_lost(self, transaction: Eip1559, found: _Found, view: View) -> str:
        """Returns why a transaction that is in no block will never be in one; empty when it still may."""
        nonce = transaction.nonce
        if nonce < view.used:
            return f"nonce {nonce} was used by another transaction"
        if self._lane.is_gap(view.pooled, nonce):
            # Sending it anew on a lower nonce closes the gap; should both be executed, the second changes nothing.
            return f"nonce {nonce} stands behind a nonce that nobody will use"
        if not found.is_known and transaction.max_fee < view.head.base_fee:
            return f"fee of {transaction.max_fee} is below the base fee of {view.head.base_fee} wei"
        return ""


def read_stored(submission: Submission) -> Eip1559:
    """Reads a stored submission.

    Raises:
        LedgerError: it cannot be read, which is no fault of the ledger.
    """
    try:
        return decode(submission.data)
    except Malformed as error:
        message = f"stored submission {submission.locator}: {error}"
        raise LedgerError(message) from error


def check_stored(submission: Submission) -> None:
    """Checks that stored bytes are those of the hash that is stored beside them; raises ``LedgerError``."""
    if transaction_hash(submission.data) != submission.locator:
        message = f"stored submission {submission.locator} was changed in the database; it is not sent"
        raise LedgerError(message)


def _case(work: Work, submission: Submission | None, settlement: bytes) -> _Case:
    transaction = read_stored(submission) if submission else None
    inquiry = calls.inquiry(work, settlement)
    return _Case(work, inquiry, transaction, submission.locator if submission else "")


def _found(inquiry: Inquiry, given: Sequence[JsonValue]) -> _Found:
    is_there = inquiry.is_yes(given[0])
    if len(given) == 1:
        return _Found(is_there)
    transaction = answers.optional(lambda value: answers.members(value, "transaction"), given[2])
    is_mined = transaction is not None and transaction.get("blockNumber") is not None
    outcome = answers.optional(answers.outcome, given[1])
    return _Found(is_there, outcome, transaction is not None, is_mined)


def _shows(outcome: Outcome | None, effect: Effect, settlement: bytes) -> bool:
    if outcome is None or not outcome.succeeded:
        return False
    return any(effect.is_shown_by(log, settlement) for log in outcome.logs)


def _place_of(outcome: Outcome | None) -> Place:
    assert outcome  # noqa: S101 - it shows the effect
    return Place(outcome.block, outcome.block_hash, outcome.index)


_UNSHOWN: Final = "refused for a reason that the node cannot show any more"


def _reason(case: _Case, found: _Found, given: Sequence[JsonValue | RpcError]) -> str:
    """Returns why a final transaction had no effect."""
    if found.outcome and found.outcome.succeeded:
        return "executed without effect: the recipient did not consume the record"
    if case.transaction and found.outcome and found.outcome.gas >= case.transaction.gas:
        return f"out of gas at {case.transaction.gas}"
    for answer in given:
        if isinstance(answer, RpcError) and reverts.is_executed(answer):
            return reverts.reason(answer.data)
    is_shown = any(not isinstance(answer, RpcError) for answer in given)
    return "refused for a reason that a replay does not show" if is_shown else _UNSHOWN


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
