"""Port to accounts of ledgers that take signed calls: who holds an account's key signs what the account sends.

Plug-ins: ``cryptlet.accounts``, by ledger kind: ``open_account(key) -> AccountHolder``. On other ledgers accounts send
transactions of their own, by their own tools.
"""

from typing import Protocol

from fabric.core.ids import Account, DestinationId
from fabric.trust.message import Channel, Message


class AccountHolder(Protocol):
    """Holds the key of one account, in this process; what it returns is signed and holds no key."""

    @property
    def account(self) -> Account:
        """The account."""
        ...

    def open_channel(self, destination: DestinationId, channel: Channel) -> bytes:
        """Returns the call that opens the account's end of a channel on a ledger."""
        ...

    def send(self, destination: DestinationId, message: Message, body: bytes) -> bytes:
        """Returns the call that sends a message from the account."""
        ...
