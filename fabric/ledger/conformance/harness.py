"""What the suite needs of a ledger under test, beyond the port."""

from dataclasses import dataclass
from typing import Protocol

from fabric.core.ids import Account, BindingVersion, Digest, InvocationId
from fabric.ledger.port import Consume, Ledger, Register, RequestSource, Settle
from fabric.trust.attestation import KeySet


@dataclass(frozen=True)
class Batch:
    """A signed batch of records that the ledger's recipient may consume.

    Attributes:
        settle: anchors it.
        consumes: one for each record, in tree order; the suite consumes in this order, since a contract's state may ask
            for it.
    """

    settle: Settle
    consumes: tuple[Consume, ...]


@dataclass(frozen=True)
class Asked:
    """A request as the account that made it knows it."""

    invocation: InvocationId
    requester: Account
    nonce: int
    method: Digest
    input: Digest
    binding: BindingVersion
    state_version: int


class Harness(Protocol):
    """One fresh deployment, the keys of an enclave, and an account on the ledger."""

    @property
    def ledger(self) -> Ledger:
        """The ledger as it is open now."""
        ...

    @property
    def source(self) -> RequestSource:
        """The same ledger as a source of requests."""
        ...

    @property
    def keys(self) -> KeySet:
        """The enclave's keys, which are not registered at first."""
        ...

    def registration(self) -> Register:
        """Returns a valid attestation of the enclave's keys, the same each time."""
        ...

    def batch(self, label: str, count: int, *, stranger: bool = False) -> Batch:
        """Returns a batch, signed by the enclave or by keys that were never registered; another for each label."""
        ...

    async def settle_down(self) -> None:
        """Lets the ledger take everything that was submitted and make it final."""
        ...

    async def ask(self, label: str) -> Asked:
        """Makes a request from an account, another for each label; it need not be final yet."""
        ...

    async def reopen(self) -> None:
        """Closes the ledger's client and opens it anew, as after a restart."""
        ...
