"""The ledger port on a sequencer in this process."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from adapters.native.entry import Entry
from adapters.native.envelope import CallSigner, Envelope, account_of, sign_envelope
from adapters.native.posts import events_after
from adapters.native.sequencer import Sequencer
from fabric.core.canonical import JsonObject
from fabric.core.errors import LedgerUnavailable, Reorged
from fabric.core.ids import BatchId, Digest, IntentId, sha256
from fabric.ledger import port
from fabric.ledger.port import MailboxEvent, MailboxPage, Observation, Phase, Receipt, RequestPage, Submission, Work
from fabric.ledger.resume import Restart
from fabric.ledger.rules import operations
from fabric.ledger.rules.enclaves import find_key
from fabric.ledger.rules.entries import batch_entry, intent_entry
from fabric.ledger.rules.requests import find_request
from fabric.ledger.rules.revocations import standing_revocation
from fabric.trust.attestation import AttestationResult, KeySet, KeyState
from fabric.trust.destination import Destination
from fabric.trust.letter import Delivery, effect_of, read_letter
from fabric.trust.schemes import ED25519, Signature

_CURSOR_BYTES: Final = 8
_REMEMBERED: Final = 10_000


class NativeLedger:
    """A native ledger: ``fabric.ledger.port.Ledger``, ``RequestSource``, ``MailboxSource`` and ``CallTaker``."""

    def __init__(self, sequencer: Sequencer, caller: CallSigner | None = None) -> None:
        """Takes an open sequencer, and the key of the fabric's own account if it consumes on this ledger."""
        self._sequencer = sequencer
        self._caller = caller
        self._refusals: OrderedDict[str, str] = OrderedDict()

    @property
    def destination(self) -> Destination:
        """Which deployment this is."""
        return self._sequencer.genesis.destination

    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        """Turns work into envelopes; there is no nonce to give out."""
        del pending
        return [submission_of(self._envelope(one)) for one in work]

    async def submit(self, submissions: Sequence[Submission]) -> None:
        """Appends in one commit what the rules accept; ``observe`` tells what they refused.

        Raises:
            SubmitError: the commit failed.
        """
        refusals = await self._sequencer.submit([one.data for one in submissions])
        for submission, refusal in zip(submissions, refusals, strict=True):
            if refusal is None:
                self._refusals.pop(submission.locator, None)
                continue
            # Refused calls leave no trace on the ledger. Who asks after a restart submits again and is refused again.
            self._refusals[submission.locator] = str(refusal)
            if len(self._refusals) > _REMEMBERED:
                self._refusals.popitem(last=False)

    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        """Says what became of work, by its effect; an effect here is final."""
        positions = [self._position(one) for one, _ in work]
        receipts = iter(await self.receipts([one for one in positions if one is not None]))
        return [
            self._without_effect(submission) if position is None else Observation(Phase.FINAL, next(receipts))
            for position, (_, submission) in zip(positions, work, strict=True)
        ]

    async def key_state(self, keys: KeySet) -> KeyState | None:
        """Returns the state of an enclave's keys."""
        found = find_key(self._sequencer.genesis.rules, self._sequencer.history.state, keys)
        return found.state if found else None

    async def is_settled(self, batch: BatchId) -> bool:
        """Says whether a batch is anchored."""
        return batch_entry(batch) in self._sequencer.history.state

    async def is_spent(self, intent: IntentId) -> bool:
        """Says whether an intent was consumed."""
        return intent_entry(intent) in self._sequencer.history.state

    async def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """Returns requests after a cursor, which is the next index in eight bytes.

        Raises:
            Reorged: the cursor is ahead of the ledger.
        """
        start = int.from_bytes(cursor, "big")
        found: list[port.Request] = []
        while len(found) < limit and (request := self._request(start + len(found))) is not None:
            found.append(request)
        if start and not found and self._request(start - 1) is None:
            raise Reorged(f"the cursor is at request {start}, which this ledger does not have")
        return RequestPage(tuple(found), (start + len(found)).to_bytes(_CURSOR_BYTES, "big"))

    async def mailbox_events(self, cursor: bytes, limit: int) -> MailboxPage:
        """Returns mailbox events after a cursor, which is the next index in eight bytes.

        Raises:
            Reorged: the cursor is ahead of the ledger.
        """
        return await events_after(self._sequencer, cursor, limit)

    async def event_material(self, events: Sequence[MailboxEvent]) -> Sequence[JsonObject]:
        """Returns the receipts' material of the events' entries."""
        return [receipt.material for receipt in await self.receipts([event.position for event in events])]

    async def ledger_time(self) -> int:
        """Returns the time that an entry would have now."""
        return self._sequencer.time

    async def take_call(self, data: bytes) -> Receipt:
        """Appends a call that an account signed; raises ``Malformed``, ``RuleViolation`` and ``SubmitError``."""
        work = Envelope.decode(data).work_id(self.destination.id)
        (refusal,) = await self._sequencer.submit([data])
        if refusal is not None:
            raise refusal
        position = self._sequencer.history.positions.get(work)
        if position is None:
            raise LedgerUnavailable("the call changed nothing here, and no entry shows why")
        (receipt,) = await self.receipts([position])
        return receipt

    async def receipts(self, indexes: Sequence[int]) -> list[Receipt]:
        """Returns the receipts of entries under the newest checkpoint; raises ``LedgerUnavailable``."""
        note, size = self._sequencer.history.note, self._sequencer.history.size
        tree = self._sequencer.history.tree
        entries = await self._sequencer.entries(indexes) if indexes else []
        return [_receipt(self.destination, one, tree.inclusion(one.index, size), note) for one in entries]

    async def stands(self, receipts: Sequence[Receipt], *, deep: bool = True) -> Sequence[bool | None]:
        """Says of receipts whether their entries, final as such, stand; see ``fabric.ledger.resume.Resumable``."""
        del deep
        held = [one for one in receipts if one.position < self._sequencer.history.size]
        entries = await self._sequencer.entries([one.position for one in held]) if held else []
        found = {entry.index: entry.fields for entry in entries}
        return [found[one.position] == one.material.get("entry") if one.position in found else None for one in receipts]

    async def restart(self, cursor: bytes, position: int | None) -> Restart:
        """Has all requests read anew, which lie in memory; see ``fabric.ledger.resume.Resumable``."""
        del cursor, position
        return Restart()

    async def health(self) -> JsonObject:
        """Returns the size of the log and its newest time; see ``fabric.ledger.health``."""
        history = self._sequencer.history
        log_key = self._sequencer.genesis.sequencer.hex()
        return {"size": history.size, "final": history.size, "head_time": history.time, "log_key": log_key}

    async def aclose(self) -> None:
        """Closes the ledger; idempotent."""
        await self._sequencer.aclose()

    def _envelope(self, work: Work) -> Envelope:
        match work:
            case port.Register(result=result, destinations=destinations):
                return Envelope(operations.Register(result, destinations, _own_scheme(work.signatures)))
            case port.RevokeCode(revocation=revocation):
                return Envelope(operations.RevokeCode(revocation, _own_scheme(work.signatures)))
            case port.Settle(header=header):
                signatures = _own_scheme(work.signatures)
                # Without one of ours the call is made all the same, for the rules to refuse and `observe` to report.
                signature = signatures[0] if signatures else Signature(ED25519, bytes(32), bytes(64))
                return Envelope(operations.Settle(header, signature))
            case port.Consume():
                return self._consumption(work)
            case port.Expire(message=message):
                return Envelope(operations.Expire(message))

    def _consumption(self, work: port.Consume) -> Envelope:
        if work.record.recipient == self.destination.settlement:
            return _letter(work)
        operation = operations.Consume(work.record, work.header.batch_id, work.index, work.path)
        if self._caller is None or account_of(self._caller.key) != work.record.recipient:
            return Envelope(operation)  # refused for want of the recipient's signature
        return sign_envelope(operation, self.destination.id, 0, self._caller)

    def _without_effect(self, submission: Submission | None) -> Observation:
        reason = self._refusals.get(submission.locator) if submission else None
        return Observation(Phase.REFUSED, reason=reason) if reason else Observation(Phase.ABSENT)

    def _position(self, work: Work) -> int | None:
        positions = self._sequencer.history.positions
        index = positions.get(self._effect(work))
        if index is None and isinstance(work, port.Register):
            # A result that another one outlasts is never appended; what it asked for holds by the other.
            index = positions.get(self._outlasting(work.result))
        if index is None and isinstance(work, port.RevokeCode):
            index = positions.get(standing_revocation(self._sequencer.history.state, work.revocation))
        return index

    def _effect(self, work: Work) -> bytes:
        if isinstance(work, port.Consume) and work.record.recipient == self.destination.settlement:
            return effect_of(work.payload) or work.work_id
        return work.work_id

    def _outlasting(self, result: AttestationResult) -> bytes:
        found = find_key(self._sequencer.genesis.rules, self._sequencer.history.state, result.keys)
        return found.result if found and found.not_after >= result.not_after else b""

    def _request(self, index: int) -> port.Request | None:
        found = find_request(self._sequencer.history.state, index)
        if found is None:
            return None
        position = self._sequencer.history.positions.get(found.invocation)
        if position is None:
            raise LedgerUnavailable(f"request {index} has no entry")
        return port.Request(
            index=index,
            invocation=found.invocation,
            requester=found.requester,
            nonce=found.nonce,
            method=found.method,
            input=found.input,
            binding=found.binding,
            state_version=found.state_version,
            time=found.time,
            locator=f"entry {position}",
        )


def submission_of(envelope: Envelope) -> Submission:
    """Returns an envelope as a submission; of use to holders of accounts, who make envelopes of their own."""
    return Submission(envelope.encoded, f"call {sha256(envelope.encoded).hex()}")


def _letter(work: port.Consume) -> Envelope:
    letter = read_letter(work.payload)
    place = (work.header.batch_id, work.index, work.path)
    if isinstance(letter, Delivery):
        return Envelope(operations.Deliver(work.record, letter, *place))
    return Envelope(operations.Acknowledge(work.record, letter, *place))


def _own_scheme(signatures: Sequence[Signature]) -> tuple[Signature, ...]:
    """Returns the signatures that this ledger checks, in the order that the rules ask for."""
    return tuple(sorted((one for one in signatures if one.scheme == ED25519), key=lambda one: one.key))


def _receipt(destination: Destination, entry: Entry, path: Sequence[Digest], note: str) -> Receipt:
    return Receipt(
        destination=destination.id,
        locator=f"entry {entry.index}",
        position=entry.index,
        time=entry.time,
        material={
            "checkpoint": note,
            "entry": entry.fields,
            "index": entry.index,
            "path": [one.hex() for one in path],
        },
    )
