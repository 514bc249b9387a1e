"""The rules' state on a channel: what a transaction wrote is seen by its later calls, and is written once, at its end.

Hyperledger shows a transaction none of its own writes, and protects by versions only what was read. So writes are kept
here, and no key is written that was not read before. No two transactions may share a counter: those of requests and of
the mailbox begin at 0 in each transaction, and are never stored.
"""

from typing import Final, Protocol

from adapters.hyperledger.names import MAILBOX, REQUEST, series_entry
from fabric.ledger.rules.entries import REQUEST_COUNT
from fabric.ledger.rules.mailbox_entries import MAILBOX_COUNT

_COUNTERS: Final = frozenset({REQUEST_COUNT, MAILBOX_COUNT})
_SERIES: Final = (REQUEST, MAILBOX)


class Ledger(Protocol):
    """The state of the chaincode's namespace as a peer shows it to one transaction."""

    def get(self, key: str) -> bytes | None:
        """Returns the value before the transaction, None where there is none."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Sets a value that takes effect when the transaction is committed."""
        ...


class TransactionState:
    """Reads and writes of one transaction; a ``State`` of the rules is ``draft`` of it, one for each call."""

    def __init__(self, ledger: Ledger, transaction: str) -> None:
        """Takes the ledger and the transaction's id, which the keys of requests and mailbox events bear."""
        self._ledger = ledger
        self._transaction = transaction
        self._read: dict[str, bytes | None] = {}
        self._written: dict[bytes, bytes] = {}

    def draft(self) -> "Draft":
        """Returns a state for one call, whose writes count when they are taken over by ``accept``."""
        return Draft(self)

    def get(self, key: bytes) -> bytes | None:
        """Returns the value of a key as the calls before left it."""
        if key in self._written:
            return self._written[key]
        return None if key in _COUNTERS else self.read(self._name(key))

    def read(self, name: str) -> bytes | None:
        """Returns what the ledger holds under a key; asks it once."""
        if name not in self._read:
            self._read[name] = self._ledger.get(name)
        return self._read[name]

    def accept(self, writes: dict[bytes, bytes]) -> None:
        """Takes over what a call wrote."""
        self._written.update(writes)

    def flush(self) -> None:
        """Hands all that was written to the ledger, each key read before."""
        for key, value in self._written.items():
            if key not in _COUNTERS:
                name = self._name(key)
                self.read(name)
                self._ledger.put(name, value)

    def _name(self, key: bytes) -> str:
        name = key.decode("ascii")
        series, _, index = name.partition("/")
        return series_entry(series, self._transaction, int(index, 16)) if series in _SERIES else name


class Draft:
    """The state that one call sees and writes."""

    def __init__(self, state: TransactionState) -> None:
        """Takes the transaction's state."""
        self._state = state
        self._written: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Returns the value of a key."""
        return self._written[key] if key in self._written else self._state.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Sets the value of a key for this call and, once accepted, for those after it."""
        self._written[key] = value

    def accept(self) -> None:
        """Lets the call's writes count."""
        self._state.accept(self._written)
