"""Work into submissions: one transaction for many calls, endorsed, checked and signed before anything is stored."""

import asyncio
from collections.abc import Iterator, Sequence

from adapters.hyperledger.client.applied import Refusal, read_applied
from adapters.hyperledger.client.endorsing import Endorser
from adapters.hyperledger.client.settings import Limits
from adapters.hyperledger.client.stored import Sent, refused
from adapters.hyperledger.client.work import Task
from adapters.hyperledger.names import APPLY
from fabric.ledger.port import Submission


class Preparer:
    """Prepares work of one deployment."""

    def __init__(self, endorser: Endorser, limits: Limits) -> None:
        """Takes who has calls endorsed and signs, and how much goes into one transaction."""
        self._endorser = endorser
        self._limits = limits

    async def prepare(self, tasks: Sequence[Task]) -> list[Submission]:
        """Returns a submission for each task; those of one transaction share it.

        Raises:
            ChaincodeRefused: a call is ill-formed, or a clock is beyond the skew.
            UntrueAnswer: what the endorsers did is not what was asked for; nothing was signed.
            LedgerUnavailable: no answer.
        """
        groups = list(self.groups(tasks))
        made = await asyncio.gather(*(self._transaction(group) for group in groups))
        return [submission for group in made for submission in group]

    def groups(self, tasks: Sequence[Task]) -> Iterator[list[Task]]:
        """Splits tasks, in their order, into what one transaction holds."""
        group: list[Task] = []
        size = 0
        for task in tasks:
            is_full = len(group) == self._limits.calls or size + len(task.call) > self._limits.call_bytes
            if group and is_full:
                yield group
                group, size = [], 0
            group.append(task)
            size += len(task.call)
        if group:
            yield group

    async def _transaction(self, tasks: Sequence[Task]) -> list[Submission]:
        args = (APPLY, *(task.call for task in tasks))
        answer = await self._endorser.endorse(args, self._limits.endorse_seconds)
        refusals = read_applied(answer, tasks)
        if all(isinstance(each, Refusal) for each in refusals):
            return [refused(each) for each in refusals if each]
        sent = Sent(answer.invocation.transaction, await self._endorser.sign(answer)).submission
        return [refused(each) if each else sent for each in refusals]
