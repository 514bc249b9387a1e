"""Work as contract calls: where it goes, what it says, which event shows its effect, which question asks for it."""

from dataclasses import dataclass

from adapters.ethereum import abi, answers
from adapters.ethereum.answers import EventLog
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError
from fabric.ledger.port import Consume, Register, Settle, Work
from fabric.trust.schemes import ADDRESS_BYTES, EIP712, Signature


@dataclass(frozen=True)
class Effect:
    """The event that shows that work took effect.

    Attributes:
        topics: what its first topics must be; None stands for any.
    """

    topics: tuple[bytes | None, ...]

    def is_shown_by(self, log: EventLog, settlement: bytes) -> bool:
        """Says whether a log of the settlement contract shows the effect."""
        if log.address != settlement or len(log.topics) < len(self.topics):
            return False
        pairs = zip(self.topics, log.topics, strict=False)
        return all(wanted is None or wanted == topic for wanted, topic in pairs)

    def filter(self) -> list[JsonValue]:
        """Returns the topics as ``eth_getLogs`` takes them."""
        return [None if topic is None else "0x" + topic.hex() for topic in self.topics]


def target(work: Work, settlement: bytes) -> bytes:
    """Returns the address that the transaction goes to.

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


def calldata(work: Work) -> bytes:
    """Returns the call data of the transaction."""
    match work:
        case Settle():
            return abi.SETTLE.call(work.header.encoded, _signature(work.signatures))
        case Register():
            # The contract takes appraisers in ascending order, once each.
            signed = {each.key: each.value for each in work.signatures if each.scheme == EIP712}
            ordered = [signed[key] for key in sorted(signed)]
            return abi.REGISTER.call(work.result.encoded, work.destinations, ordered)
        case Consume():
            batch = work.header.batch_id
            return abi.CONSUME.call(work.record.encoded, work.payload, batch, work.index, work.path)


def effect(work: Work) -> Effect:
    """Returns the event that shows the effect."""
    match work:
        case Settle():
            return Effect((abi.SETTLED, work.header.batch_id))
        case Register():
            return Effect((abi.REGISTERED, None, work.result.digest))
        case Consume():
            return Effect((abi.CONSUMED, work.record.intent))


def question(work: Work) -> bytes:
    """Returns call data that asks the settlement contract whether the effect is there."""
    match work:
        case Settle():
            return abi.IS_SETTLED.call(work.header.batch_id)
        case Register():
            return abi.KEY_OF.call(work.result.keys.address)
        case Consume():
            return abi.IS_SPENT.call(work.record.intent)


def is_yes(work: Work, answer: JsonValue) -> bool:
    """Reads the answer to ``question``; raises ``Malformed``."""
    returned = answers.data(answer, "eth_call")
    match work:
        case Settle():
            return bool(abi.IS_SETTLED.read(returned)[0])
        case Register():
            return abi.KEY_OF.read(returned)[abi.KEY_OF_RESULT] == work.result.digest
        case Consume():
            return bool(abi.IS_SPENT.read(returned)[0])


def _signature(signatures: tuple[Signature, ...]) -> bytes:
    """Returns the one signature that the contract can check; without one it refuses by itself."""
    return next((each.value for each in signatures if each.scheme == EIP712), b"")
