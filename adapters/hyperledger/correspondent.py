"""A correspondent on a development network: a client with a key of its own that opens channels and sends messages."""

from collections.abc import Mapping
from pathlib import Path

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.peers import PeerSide
from adapters.hyperledger.client.plugin import connect
from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.development import DevelopmentKeys
from adapters.hyperledger.devnet import certificate
from fabric.core.canonical import JsonValue
from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError
from fabric.core.ids import Account
from fabric.ledger.rules.operations import OpenChannel, Send
from fabric.trust.message import Channel, Message


async def open_correspondent(settings: Mapping[str, JsonValue], folder: Path) -> "HyperledgerCorrespondent":
    """Opens a client of a development network; its key lies in the folder.

    Args:
        settings: see ``adapters.hyperledger.client.settings.Settings``.
        folder: for key and certificate.

    Raises:
        ConfigError: it is no development network: there, clients come with certificates of their organisations.
        LedgerUnavailable: the network's authority makes no certificate out.
    """
    read, clock = parse_settings(settings), SystemClock()
    if read.development is None:
        raise ConfigError("only a development network makes certificates out; a client of another one brings its own")
    keys = DevelopmentKeys(folder / "client.key", read.channel, read.chaincode)
    own = await certificate(Path(read.development), folder / "client.pem", keys.client_key, clock)
    asking = connect(parse_settings({**settings, "certificate": own}), clock, keys).asking
    return HyperledgerCorrespondent(Caller(asking.peers, asking.endorser), asking.peers)


class HyperledgerCorrespondent:
    """A client of a channel (``fabric.ledger.devnet.Correspondent``)."""

    def __init__(self, caller: Caller, peers: PeerSide) -> None:
        """Takes the client and its connections."""
        self._caller = caller
        self._peers = peers

    @property
    def account(self) -> Account:
        """The account of its MSP id and key."""
        return self._caller.account

    async def open(self, channel: Channel) -> None:
        """Opens its end of a channel; see the port."""
        await self._caller.act([OpenChannel(channel)])

    async def send(self, message: Message, body: bytes) -> None:
        """Sends a message of its account; see the port."""
        await self._caller.act([Send(message, body)])

    async def aclose(self) -> None:
        """Closes the connections; idempotent."""
        await self._peers.aclose()
