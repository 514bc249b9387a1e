"""The ledger: one channel with its organisations' peers, their chaincodes and the orderer, made from a folder."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from adapters.hyperledger.embedded.blockfile import BlockFile
from adapters.hyperledger.embedded.blocks import Sealer
from adapters.hyperledger.embedded.channel import Channel
from adapters.hyperledger.embedded.endorser import Peer, choose
from adapters.hyperledger.embedded.identities import Identities
from adapters.hyperledger.embedded.link import ChaincodeLink
from adapters.hyperledger.embedded.network import Network
from adapters.hyperledger.embedded.orderer import Orderer
from adapters.hyperledger.embedded.policies import Policy, parse_policy
from adapters.hyperledger.embedded.validation import Rules
from fabric.core.clock import Clock


@dataclass
class Ledger:
    """Everything that the services answer from.

    Attributes:
        channel: blocks and state.
        identities: who is who.
        policies: who must endorse, by chaincode.
        peers: one of each organisation.
        plans: the peers that endorse where a client names none, by chaincode.
        orderer: takes transactions in.
        address: where it is reached, as errors name it.
    """

    channel: Channel
    identities: Identities
    policies: dict[str, Policy]
    peers: dict[str, Peer]
    plans: dict[str, list[Peer]]
    orderer: Orderer
    address: str
    _file: BlockFile
    _links: list[ChaincodeLink]
    _ordering: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, network: Network, clock: Clock, address: str) -> Self:
        """Reads a network's blocks.

        Raises:
            ConfigError: a policy cannot be read, or the blocks were spoiled.
            StoreError: the first block cannot be written.
        """
        config = network.config
        roots = {name: authority.certificate for name, authority in network.authorities.items()}
        identities = Identities(roots, clock)
        policies = {name: parse_policy(one.policy) for name, one in config.chaincodes.items()}
        file = BlockFile(network.folder)
        channel = Channel(config.channel, file, Sealer(network.orderer))
        rules = Rules(config.channel, identities, policies, channel.is_known)
        links: list[ChaincodeLink] = []
        peers = {}
        for name, member in network.peers.items():
            # Each organisation's peer has links of its own: none is answered for by another's.
            own = {one: ChaincodeLink(*one) for one in {one.process for one in config.chaincodes.values()}}
            links += own.values()
            by_name = {chaincode: own[one.process] for chaincode, one in config.chaincodes.items()}
            peers[name] = Peer(member, channel, by_name)
        orderer = Orderer(config.channel, identities, config.batch, partial(channel.commit, rules))
        plans = {name: choose(policy, list(peers.values())) for name, policy in policies.items()}
        return cls(channel, identities, policies, peers, plans, orderer, address, file, links)

    @property
    def msp(self) -> str:
        """The organisation whose peer answers."""
        return next(iter(self.peers))

    @property
    def organisations(self) -> Sequence[str]:
        """The MSP ids."""
        return list(self.peers)

    def start(self) -> asyncio.Task[None]:
        """Begins to make blocks; returns what makes them."""
        self._ordering = asyncio.create_task(self.orderer.run())
        return self._ordering

    async def aclose(self) -> None:
        """Ends; what was not in a block yet is forgotten, as a real orderer may forget it."""
        if self._ordering is not None:
            self._ordering.cancel()
            await asyncio.gather(self._ordering, return_exceptions=True)
        for link in self._links:
            await link.aclose()
        self._file.close()
