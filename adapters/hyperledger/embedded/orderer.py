"""The orderer: takes envelopes in, closes blocks by count, size and time, and has them committed."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded.failures import unsatisfied
from adapters.hyperledger.embedded.identities import Identities, IdentityRefused
from adapters.hyperledger.embedded.network import BatchConfig
from adapters.hyperledger.proto import common_pb2
from fabric.core.errors import StoreError

RETRY_SECONDS: Final = 0.5
"""Between two attempts to store a block on a disk that does not take it."""
MAX_WAITING: Final = 10_000
_CONFIGS: Final = frozenset({common_pb2.CONFIG, common_pb2.CONFIG_UPDATE})
_log = structlog.get_logger(__name__)
Commit = Callable[[Sequence[bytes]], Awaitable[object]]


class OrderRefused(Exception):
    """An envelope that is not taken; ``name`` is the status that the orderer answers."""

    def __init__(self, status: int, reason: str) -> None:
        """Takes the ``common.Status`` and the reason."""
        super().__init__(reason)
        self.name = common_pb2.Status.Name(status)


class OrdererHalted(Exception):
    """The orderer takes nothing for now; the message says why."""


class Orderer:
    """Orders the transactions of one channel."""

    def __init__(self, channel: str, identities: Identities, config: BatchConfig, commit: Commit) -> None:
        """Takes the channel's id, who may write, the batch's limits, and who commits a block."""
        self._channel = channel
        self._identities = identities
        self._config = config
        self._commit = commit
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._full = ""

    def take(self, envelope: common_pb2.Envelope) -> None:
        """Takes an envelope into one of the next blocks; raises ``OrderRefused``, ``OrdererHalted``."""
        size, most = len(envelope.payload) + len(envelope.signature), self._config.absolute_bytes
        if size > most:
            reason = f"message payload is {size} bytes and exceeds maximum allowed {most} bytes"
            raise OrderRefused(common_pb2.BAD_REQUEST, reason)
        self._check(envelope)
        if self._full or len(self._waiting) >= MAX_WAITING:
            raise OrdererHalted(self._full or "too many transactions wait")
        self._waiting.append(envelope.SerializeToString())
        self._arrived.set()

    async def run(self) -> None:
        """Makes blocks until it is cancelled."""
        while True:
            await self._arrived.wait()
            if len(self._waiting) < self._config.count:
                await asyncio.sleep(self._config.seconds)
            await self._store(self._cut())
            if not self._waiting:
                self._arrived.clear()

    def _cut(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        while self._waiting and len(batch) < self._config.count:
            size += len(self._waiting[0])
            if batch and size > self._config.preferred_bytes:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _store(self, batch: Sequence[bytes]) -> None:
        """Has a block committed, and waits for a disk that does not take it: what was taken in is not dropped."""
        while True:
            try:
                await self._commit(batch)
            except StoreError as error:
                if not self._full:
                    _log.error("block not stored, trying again", error=str(error))
                self._full = str(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._full = ""
                return

    def _check(self, envelope: common_pb2.Envelope) -> None:
        try:
            payload = common_pb2.Payload.FromString(envelope.payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        except DecodeError as error:
            raise OrderRefused(common_pb2.BAD_REQUEST, f"could not determine channel ID: {error}") from error
        if not payload.HasField("header"):
            raise OrderRefused(common_pb2.BAD_REQUEST, "could not determine channel ID: header not set")
        if header.channel_id != self._channel:
            raise OrderRefused(common_pb2.BAD_REQUEST, "channel does not exist")
        if header.type in _CONFIGS:
            raise OrderRefused(common_pb2.BAD_REQUEST, "message is of type that cannot be processed directly")
        self._check_signer(payload, envelope)

    def _check_signer(self, payload: common_pb2.Payload, envelope: common_pb2.Envelope) -> None:
        try:
            signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        except DecodeError as error:
            reason = f"could not convert message to signedData: {error}"
            raise OrderRefused(common_pb2.BAD_REQUEST, reason) from error
        if self._identities.has_ended(signer.creator):
            raise OrderRefused(common_pb2.BAD_REQUEST, "broadcast client identity expired")
        try:
            self._identities.verified(signer.creator, envelope.payload, envelope.signature)
        except IdentityRefused as error:
            reason = f"{unsatisfied('Writers')}: permission denied"
            raise OrderRefused(common_pb2.FORBIDDEN, reason) from error
