"""The one door to the rules: operation in, events out."""

from fabric.ledger.rules.batches import consume, settle
from fabric.ledger.rules.enclaves import register, set_key_status
from fabric.ledger.rules.events import Event
from fabric.ledger.rules.mailbox import acknowledge, deliver, expire, open_channel, send
from fabric.ledger.rules.operations import (
    Acknowledge,
    AppraiserOperation,
    Consume,
    Deliver,
    Expire,
    MailboxOperation,
    OpenChannel,
    Operation,
    Register,
    Request,
    RevokeCode,
    Send,
    SetKeyStatus,
    Settle,
)
from fabric.ledger.rules.requests import request
from fabric.ledger.rules.revocations import revoke_code
from fabric.ledger.rules.state import Context, Genesis, State


def apply(genesis: Genesis, state: State, context: Context, operation: Operation) -> tuple[Event, ...]:
    """Carries out one operation.

    Returns:
        What it made true; nothing when it was a repeat, which is a success without effect.

    Raises:
        RuleViolation: it is refused; the state is untouched.
    """
    match operation:
        case Register() | SetKeyStatus() | RevokeCode():
            return _apply_word_of_appraisers(genesis, state, context, operation)
        case Settle():
            return settle(genesis, state, context, operation)
        case Consume():
            return consume(genesis, state, context, operation)
        case Request():
            return request(genesis, state, context, operation)
        case _:
            return _apply_to_mailbox(genesis, state, context, operation)


def _apply_word_of_appraisers(
    genesis: Genesis, state: State, context: Context, operation: AppraiserOperation
) -> tuple[Event, ...]:
    match operation:
        case Register():
            return register(genesis, state, context, operation)
        case SetKeyStatus():
            return set_key_status(genesis, state, context, operation)
        case RevokeCode():
            return revoke_code(genesis, state, context, operation)


def _apply_to_mailbox(
    genesis: Genesis, state: State, context: Context, operation: MailboxOperation
) -> tuple[Event, ...]:
    match operation:
        case OpenChannel():
            return open_channel(genesis, state, context, operation)
        case Send():
            return send(genesis, state, context, operation)
        case Deliver():
            return deliver(genesis, state, context, operation)
        case Acknowledge():
            return acknowledge(genesis, state, context, operation)
        case Expire():
            return expire(genesis, state, context, operation)
