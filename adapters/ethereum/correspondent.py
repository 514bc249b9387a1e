"""A correspondent on an EVM chain: an account without code that opens channels and sends messages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from adapters.ethereum import abi
from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.development import open_account
from fabric.core.canonical import JsonValue
from fabric.core.ids import WORD_BYTES, Account
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Message
from fabric.trust.schemes import ADDRESS_BYTES

ACCOUNT: Final = 2
"""Number of the development node's account; the integrator and the deployer have others."""
OPEN_CHANNEL: Final = abi.Function("openChannel(bytes)")
SEND: Final = abi.Function("send(bytes,bytes)")


async def open_correspondent(settings: Mapping[str, JsonValue], folder: Path) -> "EthereumCorrespondent":
    """Opens an account of a development node.

    Args:
        settings: see ``adapters.ethereum.settings.Settings``.
        folder: unused; the node holds the account's key.

    Raises:
        ConfigError: the node holds no accounts.
        ForeignLedger: the node serves another ledger.
        LedgerUnavailable: the node does not answer.
    """
    del folder
    return EthereumCorrespondent(*await open_account(settings, ACCOUNT))


class EthereumCorrespondent:
    """An account of a node (``fabric.ledger.devnet.Correspondent``)."""

    def __init__(self, holder: NodeAccount, destination: Destination) -> None:
        """Takes the account and the deployment whose mailbox it uses."""
        self._holder = holder
        self._settlement = destination.settlement[-ADDRESS_BYTES:]

    @property
    def account(self) -> Account:
        """The address as a word."""
        return Account(self._holder.address.rjust(WORD_BYTES, b"\0"))

    async def open(self, channel: Channel) -> None:
        """Opens its end of a channel; see the port."""
        await self._holder.send(self._settlement, OPEN_CHANNEL.call(channel.encoded))

    async def send(self, message: Message, body: bytes) -> None:
        """Sends a message of its account; see the port."""
        await self._holder.send(self._settlement, SEND.call(message.encoded, body))

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        await self._holder.rpc.aclose()
