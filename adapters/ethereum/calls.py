"""Work as contract calls: where it goes, what it says, which event shows its effect, which question asks for it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.ethereum import abi, answers, reverts
from adapters.ethereum.answers import EventLog
from adapters.ethereum.rpc import RpcError
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, Malformed
from fabric.ledger.port import Consume, Expire, Register, RevokeCode, Settle, Work
from fabric.trust.letter import Delivery, Letter, read_letter
from fabric.trust.schemes import ADDRESS_BYTES, EIP712, Signature

_ZERO: Final = "0x" + "00" * 32


@dataclass(frozen=True)
class Effect:
    """The event that shows that work took effect.

    Attributes:
        topics: what its first topics must be; None stands for any.
        at_most: what the last of its topics, a number, must not exceed; None where nothing is asked of it.
    """

    topics: tuple[bytes | None, ...]
    at_most: int | None = None

    def is_shown_by(self, log: EventLog, settlement: bytes) -> bool:
        """Says whether a log of the settlement contract shows the effect."""
        if log.address != settlement or len(log.topics) < len(self.topics):
            return False
        pairs = zip(self.topics, log.topics, strict=False)
        fits = all(wanted is None or wanted == topic for wanted, topic in pairs)
        return fits and (self.at_most is None or int.from_bytes(log.topics[len(self.topics) - 1]) <= self.at_most)

    def filter(self) -> list[JsonValue]:
        """Returns the topics as ``eth_getLogs`` takes them."""
        return [None if topic is None else "0x" + topic.hex() for topic in self.topics]


@dataclass(frozen=True)
class Inquiry:
    """How the settlement contract is asked whether the effect of work is there.

    Attributes:
        effect: the event that shows it.
        question: call data of the question.
        function: the function that it calls.
        holds: reads what the function returned.
        is_late: whether deployments of an earlier release lack the function; nothing of the work is there, then.
    """

    effect: Effect
    question: bytes
    function: abi.Function
    holds: Callable[[tuple[object, ...]], bool]
    is_late: bool = False

    def is_yes(self, answer: JsonValue) -> bool:
        """Reads the node's answer to the question; raises ``Malformed``."""
        return self.holds(self.function.read(answers.data(answer, "eth_call")))


def target(work: Work, settlement: bytes) -> bytes:
    """Returns the address that the transaction goes to; a record for the mailbox names the settlement contract.

    Raises:
        LedgerError: a record without a recipient, or one that is no address of this ledger.
    """
    if not isinstance(work, Consume):
        return settlement
    recipient = work.record.recipient
    if any(recipient[:-ADDRESS_BYTES]) or not any(recipient):
        message = f"record of {work.record.invocation.hex()} has no recipient on this ledger"
        raise LedgerError(message)
    return recipient[-ADDRESS_BYTES:]


def calldata(work: Work, settlement: bytes) -> bytes:
    """Returns the call data of the transaction.

    Raises:
        LedgerError: a record for the mailbox whose payload is no letter.
    """
    match work:
        case Settle():
            return abi.SETTLE.call(work.header.encoded, _signature(work.signatures))
        case Register():
            return abi.REGISTER.call(work.result.encoded, work.destinations, _appraisers(work.signatures))
        case RevokeCode():
            return abi.REVOKE_CODE.call(work.revocation.encoded, _appraisers(work.signatures))
        case Expire():
            return abi.EXPIRE.call(work.message.encoded)
        case Consume():
            place = (work.header.batch_id, work.index, work.path)
            return _consumer(work, settlement).call(work.record.encoded, work.payload, *place)


def inquiry(work: Work, settlement: bytes) -> Inquiry:
    """Returns how to ask for the effect; of a letter that is the one on its message, whichever record brings it."""
    match work:
        case Settle():
            batch = work.header.batch_id
            return _inquiry((abi.SETTLED, batch), abi.IS_SETTLED, batch, lambda found: bool(found[0]))
        case Register():
            result, address = work.result.digest, work.result.keys.address
            shown = (abi.REGISTERED, None, result)
            return _inquiry(shown, abi.KEY_OF, address, lambda found: found[abi.KEY_OF_RESULT] == result)
        case RevokeCode():
            return _revocation_inquiry(work)
        case Expire():
            message = work.message.id
            topics = (abi.EXPIRED, None, message)
            return _inquiry(topics, abi.DELIVERY_OF, message, lambda found: found[0] == abi.EXPIRED_OUTCOME)
        case Consume():
            letter = _letter(work, settlement)
            return _letter_inquiry(letter) if letter else _plain_inquiry(work)


def _revocation_inquiry(work: RevokeCode) -> Inquiry:
    """Asks for this time or an earlier one, by which the revocation holds too; zero stands for none."""
    code, since = work.revocation.measurement, work.revocation.since
    effect = Effect((abi.CODE_REVOCATION_SET, code, None), at_most=since)
    question = abi.REVOKED_SINCE.call(code)
    return Inquiry(effect, question, abi.REVOKED_SINCE, lambda found: found[0] in range(1, since + 1), is_late=True)


def answered(
    inquiries: Sequence[Inquiry], sizes: Iterable[int], given: Sequence[JsonValue | RpcError]
) -> list[JsonValue | RpcError]:
    """Has a contract that lacks a late function answer zero: it refuses the transaction too, and nothing else waits.

    Args:
        inquiries: whose questions were asked.
        sizes: how many answers there are of each; the first is that of its question.
        given: what the node said.
    """
    found, at = list(given), 0
    for inquiry, size in zip(inquiries, sizes, strict=True):
        answer = found[at]
        if inquiry.is_late and isinstance(answer, RpcError) and reverts.is_executed(answer):
            found[at] = _ZERO
        at += size
    return found


def _plain_inquiry(work: Consume) -> Inquiry:
    intent = work.record.intent
    return _inquiry((abi.CONSUMED, intent), abi.IS_SPENT, intent, lambda found: bool(found[0]))


def _letter_inquiry(letter: Letter) -> Inquiry:
    message = letter.message.id
    if isinstance(letter, Delivery):
        topics = (abi.DELIVERED, None, message)
        return _inquiry(topics, abi.DELIVERY_OF, message, lambda found: found[0] == abi.DELIVERED_OUTCOME)
    state = abi.CLOSED_STATES[letter.ending]
    return _inquiry((abi.ACKNOWLEDGED, message), abi.MESSAGE_OF, message, lambda found: found[0] == state)


def _inquiry(
    topics: tuple[bytes | None, ...],
    function: abi.Function,
    argument: bytes,
    holds: Callable[[tuple[object, ...]], bool],
) -> Inquiry:
    return Inquiry(Effect(topics), function.call(argument), function, holds)


def _consumer(work: Consume, settlement: bytes) -> abi.Function:
    """Returns the function that takes a record: the recipient's own, or one of the mailbox by the letter's kind."""
    if not _is_for_mailbox(work, settlement):
        return abi.CONSUME
    try:
        letter = read_letter(work.payload)
    except Malformed as error:
        message = f"record of {work.record.invocation.hex()} is for the mailbox, but its payload is no letter: {error}"
        raise LedgerError(message) from error
    return abi.DELIVER if isinstance(letter, Delivery) else abi.ACKNOWLEDGE


def _letter(work: Consume, settlement: bytes) -> Letter | None:
    """Returns the letter that a record brings to the mailbox; None of any other record, and of what is no letter."""
    if not _is_for_mailbox(work, settlement):
        return None
    try:
        return read_letter(work.payload)
    except Malformed:
        return None


def _is_for_mailbox(work: Consume, settlement: bytes) -> bool:
    return work.record.recipient == settlement.rjust(len(work.record.recipient), b"\0")


def _appraisers(signatures: tuple[Signature, ...]) -> list[bytes]:
    """Returns the signatures that the contract can check, in ascending order of the appraisers, once each."""
    signed = {each.key: each.value for each in signatures if each.scheme == EIP712}
    return [signed[key] for key in sorted(signed)]


def _signature(signatures: tuple[Signature, ...]) -> bytes:
    """Returns the one signature that the contract can check; without one it refuses by itself."""
    return next((each.value for each in signatures if each.scheme == EIP712), b"")
