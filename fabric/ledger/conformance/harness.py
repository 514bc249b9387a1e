"""What the suite needs of a ledger under test, beyond the port."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fabric.core.ids import Account, BindingVersion, Digest, InvocationId
from fabric.ledger.port import Consume, Ledger, MailboxSource, Register, RequestSource, RevokeCode, Settle
from fabric.trust.attestation import KeySet
from fabric.trust.kind import DestinationKind
from fabric.trust.letter import Letter
from fabric.trust.message import Channel, Message


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

    def revocation(self, since: int) -> RevokeCode:
        """Returns the appraisers' revocation of the code of every record of the harness, from a time on."""
        ...

    def batch(self, label: str, count: int, *, stranger: bool = False) -> Batch:
        """Returns a batch, signed by the enclave or by keys that were never registered; another for each label."""
        ...

    @property
    def mailbox(self) -> MailboxSource:
        """The same ledger as a source of mailbox events."""
        ...

    @property
    def kind(self) -> DestinationKind | None:
        """What checks the ledger's material offline; None where it has none."""
        ...

    @property
    def channel(self) -> Channel:
        """A channel from an account on the ledger to one elsewhere, which takes proven events alone."""
        ...

    async def open(self, channel: Channel) -> None:
        """Opens the channel from the account; it need not be final yet."""
        ...

    async def send(self, body: bytes, seconds: int) -> Message:
        """Sends the next message of the channel, which expires so many seconds from now; it need not be final yet."""
        ...

    def letters(self, letters: Sequence[Letter]) -> Batch:
        """Returns a batch of one record for each letter, of the channel's own binding, signed by the enclave."""
        ...

    async def wait_until(self, time: int) -> None:
        """Lets the ledger's time come to at least this, Unix seconds."""
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
