"""The channel's blocks from a peer, in order, each held against the one before it and its orderers' signatures."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.hyperledger.client.blocks import Block, read_block
from adapters.hyperledger.client.endorsing import Endorser
from adapters.hyperledger.client.peers import PeerSide
from adapters.hyperledger.proto import common_pb2
from fabric.core.clock import Clock
from fabric.core.errors import LedgerUnavailable, Malformed, Reorged
from fabric.signers.queries import Blocks

CheckSeal = Callable[[Block], None]
"""Checks that orderers signed a block; raises ``Malformed``."""


@dataclass(frozen=True)
class Standing:
    """How far a reader came: the number of the next block, and the hash of the one before it; at the start empty."""

    block: int
    hash: bytes


class Chain:
    """Reads the blocks of one channel."""

    def __init__(self, peers: PeerSide, endorser: Endorser, clock: Clock, seal: CheckSeal, tls: bytes) -> None:
        """Takes who is asked, who asks, what looks at signatures, and the digest of our TLS certificate, if any."""
        self._peers = peers
        self._endorser = endorser
        self._clock = clock
        self._seal = seal
        self._tls = tls

    async def after(self, standing: Standing, count: int, seconds: float) -> list[Block]:
        """Returns up to ``count`` blocks from a standing on.

        Raises:
            Reorged: another block is where the standing's last one was.
            LedgerUnavailable: no answer, or blocks that do not hold.
        """
        first = standing.block - 1 if standing.hash else standing.block
        blocks = await self._deliver(first, standing.block + count - 1, seconds)
        if not standing.hash:
            return blocks
        if not blocks:
            message = f"the peer has no block {first} yet, which was read before"
            raise LedgerUnavailable(message)
        if blocks[0].hash != standing.hash:
            message = f"block {first} was {standing.hash.hex()} and is now {blocks[0].hash.hex()}"
            raise Reorged(message)
        return blocks[1:]

    async def newest(self, seconds: float) -> Block:
        """Returns the newest block; raises ``LedgerUnavailable``."""
        blocks = await self._deliver(None, None, seconds)
        if not blocks:
            message = "the peer has no block"
            raise LedgerUnavailable(message)
        return blocks[0]

    async def first(self, seconds: float) -> Block:
        """Returns block 0; raises ``LedgerUnavailable``."""
        blocks = await self._deliver(0, 0, seconds)
        if not blocks:
            message = "the peer has no block 0"
            raise LedgerUnavailable(message)
        return blocks[0]

    async def _deliver(self, start: int | None, stop: int | None, seconds: float) -> list[Block]:
        client, place = self._endorser.client, self._endorser.place
        now = self._clock.unix_seconds()
        query = Blocks(place.channel, start, stop, now, self._tls, client.identity)
        signed = await self._endorser.sign_query(query)
        envelope = common_pb2.Envelope(payload=signed.data, signature=signed.signature)
        found = await self._peers.deliver(envelope, seconds)
        try:
            blocks = [read_block(each, place.chaincode) for each in found]
            self._check(blocks, start)
        except Malformed as error:
            message = f"the peer's blocks do not hold: {error}"
            raise LedgerUnavailable(message) from error
        return blocks

    def _check(self, blocks: list[Block], start: int | None) -> None:
        expected, previous = start, b""
        for block in blocks:
            if expected is not None and block.number != expected:
                raise Malformed("blocks", f"number {block.number}, expected {expected}")
            if previous and block.previous != previous:
                raise Malformed("blocks", f"block {block.number} does not follow the one before it")
            if block.number:
                self._seal(block)
            expected, previous = block.number + 1, block.hash
