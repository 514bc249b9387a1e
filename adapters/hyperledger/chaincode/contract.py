"""The chaincode's functions ``found``, ``apply`` and ``read`` (docs/spec/hyperledger.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.chaincode.events import write_events
from adapters.hyperledger.chaincode.state import Ledger, TransactionState
from adapters.hyperledger.chaincode.transaction import Transaction
from adapters.hyperledger.genesis import GenesisDocument
from adapters.hyperledger.names import APPLY, FOUND, GENESIS_KEY, MAX_ITEMS, READ, STATE_KEY
from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import Malformed, Refused
from fabric.ledger.rules.calls import decode_call
from fabric.ledger.rules.engine import apply
from fabric.ledger.rules.events import Event
from fabric.ledger.rules.operations import Operation
from fabric.ledger.rules.state import Context
from fabric.ledger.rules.violations import RuleViolation


@dataclass(frozen=True)
class Answer:
    """What a function answers.

    Attributes:
        payload: the bytes that endorsers sign.
        event: payload of the chaincode event, None where there is none.
    """

    payload: bytes
    event: bytes | None = None


class Contract:
    """The rule set of one deployment; keeps nothing between transactions."""

    def __init__(self, clock: Clock) -> None:
        """Takes the endorser's clock, against which transactions' timestamps are held."""
        self._clock = clock

    def invoke(self, transaction: Transaction, ledger: Ledger) -> Answer:
        """Carries out a transaction.

        Args:
            transaction: what is asked.
            ledger: the state that it reads and writes.

        Raises:
            Malformed: an argument is ill-formed.
            Refused: the transaction is refused as a whole.
        """
        function = _FUNCTIONS.get(transaction.arguments[0]) if transaction.arguments else None
        if function is None:
            raise Malformed("function", f"expected one of {', '.join(name.decode() for name in _FUNCTIONS)}")
        return function(self, transaction, ledger)

    def _found(self, transaction: Transaction, ledger: Ledger) -> Answer:
        document = GenesisDocument.decode(*_arguments(transaction, 1))
        _check_place(document, transaction)
        stored = ledger.get(GENESIS_KEY)
        if stored not in (None, document.encoded):
            raise Refused("another genesis document is there")
        if stored is None:
            ledger.put(GENESIS_KEY, document.encoded)
        return Answer(document.destination.id)

    def _apply(self, transaction: Transaction, ledger: Ledger) -> Answer:
        operations = [decode_call(call) for call in _arguments(transaction, MAX_ITEMS)]
        document = self._genesis(transaction, ledger)
        state = TransactionState(ledger, transaction.id)
        events: list[Event] = []
        outcomes = [_carry_out(document, transaction, state, each, events) for each in operations]
        state.flush()
        return Answer(canonical.encode(outcomes), write_events(events, transaction.time))

    def _read(self, transaction: Transaction, ledger: Ledger) -> Answer:
        keys = [_key(argument) for argument in _arguments(transaction, MAX_ITEMS)]
        if len(set(keys)) != len(keys):
            raise Malformed("key", "expected different keys")
        document = self._genesis(transaction, ledger)
        values = [document.encoded if key == GENESIS_KEY else ledger.get(key) for key in keys]
        answer: JsonValue = {
            "destination": document.destination.id.hex(),
            "time": transaction.time,
            "values": [None if value is None else value.hex() for value in values],
        }
        return Answer(canonical.encode(answer))

    def _genesis(self, transaction: Transaction, ledger: Ledger) -> GenesisDocument:
        stored = ledger.get(GENESIS_KEY)
        if stored is None:
            raise Refused("no genesis document is there")
        document = GenesisDocument.decode(stored)
        _check_place(document, transaction)
        self._check_time(document, transaction)
        return document

    def _check_time(self, document: GenesisDocument, transaction: Transaction) -> None:
        now = self._clock.unix_seconds()
        if transaction.time < 0 or abs(transaction.time - now) > document.skew:
            message = f"the transaction is of {transaction.time}, more than {document.skew} s from {now}"
            raise Refused(message)


def _carry_out(
    document: GenesisDocument,
    transaction: Transaction,
    state: TransactionState,
    operation: Operation,
    events: list[Event],
) -> JsonValue:
    """Carries out one call; returns null, or the refusal."""
    draft = state.draft()
    context = Context(transaction.time, transaction.creator)
    try:
        made = apply(document.rules, draft, context, operation)
    except RuleViolation as violation:
        return {"rule": str(violation.rule), "reason": violation.reason}
    draft.accept()
    events.extend(made)
    return None


def _check_place(document: GenesisDocument, transaction: Transaction) -> None:
    # A call from another chaincode brings a proposal that names that one; its client never asked for anything here.
    if (document.channel, document.chaincode) != (transaction.channel, transaction.chaincode):
        raise Refused(f"the genesis document is of {document.chaincode} on {document.channel}")


def _arguments(transaction: Transaction, most: int) -> tuple[bytes, ...]:
    arguments = transaction.arguments[1:]
    if not 1 <= len(arguments) <= most:
        raise Malformed("arguments", f"expected 1 to {most}, got {len(arguments)}")
    return arguments


def _key(argument: bytes) -> str:
    text = argument.decode("ascii", errors="replace")
    if not STATE_KEY.fullmatch(text):
        raise Malformed("key", "expected 1 to 200 printable ASCII characters")
    return text


_FUNCTIONS: Final[dict[bytes, Callable[[Contract, Transaction, Ledger], Answer]]] = {
    FOUND: Contract._found,  # noqa: SLF001 - the class's own table
    APPLY: Contract._apply,  # noqa: SLF001
    READ: Contract._read,  # noqa: SLF001
}
