"""The ledger port on an EVM chain (``fabric.ledger.port``): what the outbox and the watcher use."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.ethereum import abi, answers, calls
from adapters.ethereum.fees import Fees
from adapters.ethereum.health import health
from adapters.ethereum.lanes import Lane
from adapters.ethereum.mailbox import Mailbox
from adapters.ethereum.observe import Node, Observer, check_stored, read_stored
from adapters.ethereum.receipts import Receipts
from adapters.ethereum.requests import Requests
from adapters.ethereum.rpc import Call, Rpc, RpcError
from adapters.ethereum.standing import Standing
from adapters.ethereum.transactions import Eip1559, TransactionSigner, transaction_hash
from adapters.ethereum.view import Watch
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import FabricError, LedgerError, LedgerUnavailable, Refused, SubmitError
from fabric.core.ids import BatchId, IntentId
from fabric.ledger.port import MailboxEvent, MailboxPage, Observation, Receipt, RequestPage, Submission, Work
from fabric.ledger.resume import Restart
from fabric.trust.attestation import KeySet, KeyState
from fabric.trust.destination import Destination
from fabric.trust.schemes import ADDRESS_BYTES

NOBODY: Final = bytes(ADDRESS_BYTES)
"""Asked about where the ledger was opened to read only."""
_KNOWN: Final = ("already known", "alreadyknown", "already imported", "known transaction")
"""How geth, anvil, Besu and older nodes say that they hold the very transaction."""


@dataclass(frozen=True)
class Terms:
    """How a deployment is used.

    Attributes:
        finality: blocks that must follow a block until it is final.
        start: a block before which the deployment has no events.
        fees: limits of transactions.
        following: how many headers of blocks that follow a final receipt holds; 0 where blocks carry no seals.
    """

    finality: int = 4
    start: int = 0
    fees: Fees = field(default_factory=Fees)
    following: int = 0


class EthereumLedger:
    """One settlement deployment on an EVM chain, its requests and its mailbox. Made by ``adapters.ethereum.plugin``."""

    def __init__(
        self,
        rpc: Rpc,
        destination: Destination,
        terms: Terms,
        relayer: TransactionSigner | None,
        clock: Clock,
    ) -> None:
        """Takes a node that is known to serve the destination; without a relayer it can only be read."""
        self.rpc = rpc
        self._destination = destination
        self._settlement = destination.settlement[-ADDRESS_BYTES:]
        self._fees = terms.fees
        self._finality = terms.finality
        self._relayer = relayer
        account = relayer.address if relayer else NOBODY
        self._lane = Lane(clock)
        self._preparing = asyncio.Lock()
        watch = Watch(rpc, account, terms.finality, destination.genesis)
        node = Node(rpc, self._settlement, account, terms.start)
        receipts = Receipts(rpc, destination, terms.following)
        self._observer = Observer(node, watch, self._lane, receipts)
        self._watch = watch
        self._requests = Requests(rpc, destination, watch, receipts, terms.start)
        self._mailbox = Mailbox(rpc, destination, watch, terms.start, receipts)
        self._standing = Standing(rpc, watch, self._requests.events)

    @property
    def destination(self) -> Destination:
        """Which deployment this is."""
        return self._destination

    @property
    def nonces_in_order(self) -> bool:
        """The relayer's transactions are executed in the order of their nonces; see ``fabric.ledger.port.InOrder``."""
        return True

    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        """Turns work into signed transactions on nonces of their own; one round trip for all.

        Args:
            work: what shall take effect, in the order in which it should.
            pending: stored submissions that are not final.

        Raises:
            LedgerUnavailable: no answer, a base fee above the cap, or the signer is gone.
            LedgerError: there is no relayer, it may not send to a record's recipient, or a record for the mailbox
                brings no letter.
        """
        relayer = self._relayer
        if relayer is None:
            message = "the ledger was opened without a relayer, to read only"
            raise LedgerError(message)
        if not work:
            return []
        targets = [calls.target(each, self._settlement) for each in work]
        async with self._preparing:
            view = await self._watch.view()
            price = self._fees.price(view.head.base_fee)
            stored = {read_stored(submission).nonce for submission in pending}
            nonces = self._lane.take(len(work), max(view.used, view.pooled), stored)
        transactions = [
            self._transaction(each, to, nonce, price) for each, to, nonce in zip(work, targets, nonces, strict=True)
        ]
        return await _signed(relayer, transactions)

    async def submit(self, submissions: Sequence[Submission]) -> None:
        """Sends stored transactions in one batch; one that the node already holds counts as sent.

        Raises:
            SubmitError: the outcome of one or more is unknown.
            LedgerError: stored bytes were changed; nothing was sent.
        """
        for submission in submissions:
            check_stored(submission)
        sends: list[Call] = [("eth_sendRawTransaction", ["0x" + submission.data.hex()]) for submission in submissions]
        try:
            given = await self.rpc.batch(sends)
        except LedgerUnavailable as error:
            message = f"{len(submissions)} transactions may or may not have been taken: {error}"
            raise SubmitError(message) from error
        failed = [
            f"{submission.locator}: {_complaint(answer)}"
            for submission, answer in zip(submissions, given, strict=True)
            if not _is_taken(submission, answer)
        ]
        if failed:
            message = f"{len(failed)} of {len(submissions)} transactions not taken: {failed[0]}"
            raise SubmitError(message)

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        """Asks what became of work; see ``fabric.ledger.port``. At most four round trips for all.

        A refusal is reported once its block is final; until then the work is pending.
        """
        return await self._observer.observe(work) if work else []

    async def key_state(self, keys: KeySet) -> KeyState | None:
        """Returns the state of an enclave's keys, None when they are not registered."""
        (state,) = await self._call(abi.KEY_STATE, keys.id)
        try:
            return KeyState(int(str(state))) if state else None
        except ValueError as error:
            message = f"the contract states a key state of {state}"
            raise LedgerUnavailable(message) from error

    async def is_settled(self, batch: BatchId) -> bool:
        """Says whether a batch is anchored."""
        return bool((await self._call(abi.IS_SETTLED, batch))[0])

    async def is_spent(self, intent: IntentId) -> bool:
        """Says whether an intent was consumed."""
        return bool((await self._call(abi.IS_SPENT, intent))[0])

    async def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """Returns up to ``limit`` final requests after the cursor; see ``fabric.ledger.port.RequestSource``."""
        return await self._requests.page(cursor, limit)

    async def mailbox_events(self, cursor: bytes, limit: int) -> MailboxPage:
        """Returns up to ``limit`` final mailbox events after the cursor; see ``fabric.ledger.port.MailboxSource``."""
        return await self._mailbox.page(cursor, limit)

    async def event_material(self, events: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        """Returns what shows each mailbox event offline, see docs/spec/ethereum-receipt.md."""
        return await self._mailbox.material(events) if events else []

    async def ledger_time(self) -> int:
        """Returns the time of the newest block, Unix seconds; raises ``LedgerUnavailable``."""
        return (await self._watch.view()).head.time

    async def stands(self, receipts: Sequence[Receipt], *, deep: bool = True) -> Sequence[bool | None]:
        """Says of receipts whether they stand and are final; see ``fabric.ledger.resume.Resumable``."""
        return await self._standing.of(receipts, deep=deep)

    async def restart(self, cursor: bytes, position: int | None) -> Restart:
        """Forgets what was final, says from where to read requests; see ``fabric.ledger.resume.Resumable``."""
        self._observer.forget()
        return await self._standing.restart(cursor, position)

    async def health(self) -> JsonObject:
        """Returns head, finality, the relayer's account and fees; see ``fabric.ledger.health``."""
        account = self._relayer.address if self._relayer else None
        return await health(self.rpc, account, self._finality, self._fees)

    async def aclose(self) -> None:
        """Releases the connection; idempotent."""
        await self.rpc.aclose()

    async def _call(self, function: abi.Function, *values: object) -> tuple[object, ...]:
        call: JsonValue = {
            "to": "0x" + self._settlement.hex(),
            "data": "0x" + function.call(*values).hex(),
        }
        (answer,) = await self.rpc.ask([("eth_call", [call, "latest"])])
        with answers.reading():
            return function.read(answers.data(answer, "eth_call"))

    def _transaction(self, work: Work, to: bytes, nonce: int, price: tuple[int, int]) -> Eip1559:
        data = calls.calldata(work, self._settlement)
        gas = self._fees.gas_limit(work, len(data))
        return Eip1559(self._destination.chain_number, nonce, *price, gas, to, 0, data)


async def _signed(relayer: TransactionSigner, transactions: Sequence[Eip1559]) -> list[Submission]:
    try:
        raws = await asyncio.gather(*(relayer.sign(each) for each in transactions))
    except Refused as error:
        message = f"the relayer's signer refused: {error}"
        raise LedgerError(message) from error
    except FabricError as error:
        message = f"the relayer's signer is not available: {error}"
        raise LedgerUnavailable(message) from error
    return [Submission(raw, transaction_hash(raw)) for raw in raws]


def _is_taken(submission: Submission, answer: JsonValue | RpcError) -> bool:
    if isinstance(answer, RpcError):
        return any(known in answer.message.lower() for known in _KNOWN)
    return answer == submission.locator


def _complaint(answer: JsonValue | RpcError) -> str:
    if isinstance(answer, RpcError):
        return f"{answer.message} ({answer.code})"
    return f"the node answered {str(answer)[:80]}"
