"""The one door to the rules: operation in, events out."""

from fabric.ledger.rules.batches import consume, settle
from fabric.ledger.rules.enclaves import register, set_key_status
from fabric.ledger.rules.events import Event
from fabric.ledger.rules.operations import Consume, Operation, Register, Request, SetKeyStatus, Settle
from fabric.ledger.rules.requests import request
from fabric.ledger.rules.state import Context, Genesis, State


def apply(genesis: Genesis, state: State, context: Context, operation: Operation) -> tuple[Event, ...]:
    """Carries out one operation.

    Returns:
        What it made true; nothing when it was a repeat, which is a success without effect.

    Raises:
        RuleViolation: it is refused; the state is untouched.
    """
    match operation:
        case Register():
            return register(genesis, state, context, operation)
        case SetKeyStatus():
            return set_key_status(genesis, state, context, operation)
        case Settle():
            return settle(genesis, state, context, operation)
        case Consume():
            return consume(genesis, state, context, operation)
        case Request():
            return request(genesis, state, context, operation)
