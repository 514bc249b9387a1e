"""What the rules stand on: a key-value state, the deployment's immutable genesis, and the context of one operation."""

from dataclasses import dataclass
from typing import Protocol

from fabric.core.ids import NOBODY, Account
from fabric.trust.attestation import KeySet
from fabric.trust.destination import Destination


class State(Protocol):
    """Key-value state of one deployment.

    The rules read a key before they write it and never read it again in the same operation, since Hyperledger does
    not show a transaction its own writes. Keys are ASCII text, values any bytes; see docs/spec/rules.md.
    """

    def get(self, key: bytes) -> bytes | None:
        """Returns the value of a key, None where there is none."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Sets the value of a key."""
        ...


class DictState(dict[bytes, bytes]):
    """A state in memory: what a ledger re-executes on, and what a ``MemoryLedger`` keeps."""

    def put(self, key: bytes, value: bytes) -> None:
        """Sets the value of a key."""
        self[key] = value


@dataclass(frozen=True)
class Genesis:
    """What a deployment pins for ever.

    Attributes:
        destination: the deployment itself.
        appraisers: whose word makes an enclave's keys known.
        threshold: how many of them must sign, at least 1.
        scheme: the one signature scheme that this ledger checks, see ``fabric.trust.schemes``.
    """

    destination: Destination
    appraisers: tuple[KeySet, ...]
    threshold: int
    scheme: str


@dataclass(frozen=True)
class Context:
    """The circumstances of one operation, as the ledger states them.

    Attributes:
        time: the ledger's time of the entry, block or transaction, Unix seconds.
        sender: who sent it; only ``consume`` and ``request`` look at it.
    """

    time: int
    sender: Account = NOBODY
