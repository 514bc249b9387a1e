"""Requests: how an account on the ledger asks for an invocation."""

from fabric.core.ids import request_id
from fabric.ledger.rules.entries import (
    REQUEST_COUNT,
    RequestEntry,
    nonce_entry,
    request_entry,
)
from fabric.ledger.rules.events import Event, Requested
from fabric.ledger.rules.operations import Request
from fabric.ledger.rules.state import Context, Genesis, State
from fabric.trust import words


def request(genesis: Genesis, state: State, context: Context, operation: Request) -> tuple[Event, ...]:
    """Stores a request of the sender and gives it the requester's next nonce and the ledger's next index."""
    nonce = next_nonce(state, nonce_entry(context.sender))
    invocation = request_id(
        genesis.destination.id,
        context.sender,
        nonce,
        operation.method,
        operation.input,
        operation.binding,
    )
    index = _take_index(state)
    words_of = (operation.method, operation.input, operation.binding, operation.state_version)
    entry = RequestEntry(invocation, context.sender, nonce, *words_of, context.time)
    state.put(nonce_entry(context.sender), words.uint(nonce + 1))
    state.put(request_entry(index), entry.encoded)
    return (Requested(index, invocation, context.sender, nonce, *words_of),)


def find_request(state: State, index: int) -> RequestEntry | None:
    """Returns a stored request."""
    value = state.get(request_entry(index))
    return None if value is None else RequestEntry.decode(value)


def next_nonce(state: State, counter: bytes) -> int:
    """Returns the value of a counter: a requester's next nonce, or the next index."""
    value = state.get(counter)
    return 0 if value is None else words.read_uint(value, "counter")


def _take_index(state: State) -> int:
    """Counts the request; the only counter that all requesters share.

    Under execute-order-validate every two requests of a block would conflict on it. There a ledger replaces this
    function alone, by the position that the ledger itself gives the transaction.
    """
    index = next_nonce(state, REQUEST_COUNT)
    state.put(REQUEST_COUNT, words.uint(index + 1))
    return index
