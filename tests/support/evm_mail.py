"""An account without code on an EVM chain as the end of a channel: it opens, and it sends."""

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.correspondent import EthereumCorrespondent
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Message
from tests.support.harness import channel_of, next_message


class Correspondent(EthereumCorrespondent):
    """An account of the node's, with its one channel to an account elsewhere.

    Attributes:
        channel: the channel.
    """

    def __init__(self, account: NodeAccount, destination: Destination) -> None:
        super().__init__(account, destination)
        self.channel: Channel = channel_of(destination.id, self.account)
        self._here = destination.id
        self._sent = 0

    async def write(self, body: bytes, expiry: int) -> Message:
        """Sends its next message; the node must make blocks."""
        message = next_message(self.channel, self._here, self._sent, body, expiry)
        self._sent += 1
        await self.send(message, body)
        return message
