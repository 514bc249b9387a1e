"""One call carried out on a state; the sequencer does it once, and every opening of the ledger does it again."""

from typing import Protocol

from adapters.native.envelope import Envelope
from adapters.native.errors import WrongNonce
from fabric.ledger.rules.engine import apply
from fabric.ledger.rules.entries import nonce_entry
from fabric.ledger.rules.events import Event
from fabric.ledger.rules.operations import Request
from fabric.ledger.rules.requests import next_nonce
from fabric.ledger.rules.state import Context, Genesis, State


class Readable(Protocol):
    """A state that is only read."""

    def get(self, key: bytes, /) -> bytes | None:
        """Returns the value of a key."""
        ...


class Overlay:
    """Writes over a state that is not touched: what a transaction would change."""

    def __init__(self, below: Readable) -> None:
        """Starts without any change."""
        self._below = below
        self.changes: dict[bytes, bytes] = {}

    def get(self, key: bytes, /) -> bytes | None:
        """Returns the newest value of a key."""
        return self.changes.get(key) or self._below.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Sets a value in the overlay; no value of the rules is empty."""
        self.changes[key] = value


def execute(genesis: Genesis, state: State, time: int, envelope: Envelope) -> tuple[Event, ...]:
    """Carries out a call at a time; without events it was a repeat.

    Raises:
        RuleViolation: the rules refuse it, or its sender's signature does not hold.
        WrongNonce: a request that is not the sender's next.
    """
    account = envelope.account(genesis.destination.id)
    if envelope.sender:
        is_request = isinstance(envelope.operation, Request)
        expected = next_nonce(state, nonce_entry(account)) if is_request else 0
        if envelope.sender.nonce != expected:
            raise WrongNonce(f"expected {expected}, got {envelope.sender.nonce}")
    return apply(genesis, state, Context(time, account), envelope.operation)
