"""The service ``protos.Deliver``: blocks, whole or filtered, to whoever may read the channel."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded.blocks import FILTER
from adapters.hyperledger.embedded.identities import IdentityRefused
from adapters.hyperledger.embedded.ledger import Ledger
from adapters.hyperledger.embedded.seeking import start_of
from adapters.hyperledger.embedded.transactions import read_event
from adapters.hyperledger.proto import common_pb2, orderer_pb2, peer_pb2

Shape = Callable[[common_pb2.Block], peer_pb2.DeliverResponse]
_FAIL_IF_NOT_READY: Final = orderer_pb2.SeekInfo.FAIL_IF_NOT_READY


class Deliver:
    """Answers questions for blocks."""

    def __init__(self, ledger: Ledger) -> None:
        """Takes the ledger."""
        self._ledger = ledger

    async def blocks(
        self,
        asked: AsyncIterator[common_pb2.Envelope],
        _context: Any,  # noqa: ANN401
    ) -> AsyncIterator[peer_pb2.DeliverResponse]:
        """Gives whole blocks."""
        async for response in self._deliver(asked, lambda block: peer_pb2.DeliverResponse(block=block)):
            yield response

    async def filtered(
        self,
        asked: AsyncIterator[common_pb2.Envelope],
        _context: Any,  # noqa: ANN401
    ) -> AsyncIterator[peer_pb2.DeliverResponse]:
        """Gives what every transaction came to, without what it holds."""
        async for response in self._deliver(asked, self._filtered):
            yield response

    async def _deliver(
        self, asked: AsyncIterator[common_pb2.Envelope], shape: Shape
    ) -> AsyncIterator[peer_pb2.DeliverResponse]:
        async for envelope in asked:
            status, seek = self._seek(envelope)
            if seek is not None:
                async for block in self._found(seek):
                    if block is None:
                        status = common_pb2.NOT_FOUND
                        break
                    yield shape(block)
            yield peer_pb2.DeliverResponse(status=common_pb2.Status.Name(status))
            if status != common_pb2.SUCCESS:
                return

    def _seek(self, envelope: common_pb2.Envelope) -> tuple[int, orderer_pb2.SeekInfo | None]:
        """Returns what is asked for, or why it is not given."""
        try:
            payload = common_pb2.Payload.FromString(envelope.payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        except DecodeError:
            return common_pb2.BAD_REQUEST, None
        if header.channel_id != self._ledger.channel.name:
            return common_pb2.NOT_FOUND, None
        try:
            seek = orderer_pb2.SeekInfo.FromString(payload.data)
            self._ledger.identities.verified(signer.creator, envelope.payload, envelope.signature)
        except DecodeError:
            return common_pb2.BAD_REQUEST, None
        except IdentityRefused:
            return common_pb2.FORBIDDEN, None
        if not seek.HasField("start") or not seek.HasField("stop") or self._is_backward(seek):
            return common_pb2.BAD_REQUEST, None
        return common_pb2.SUCCESS, seek

    def _is_backward(self, seek: orderer_pb2.SeekInfo) -> bool:
        height = self._ledger.channel.height
        return seek.stop.HasField("specified") and start_of(seek.stop, height) < start_of(seek.start, height)

    async def _found(self, seek: orderer_pb2.SeekInfo) -> AsyncIterator[common_pb2.Block | None]:
        """Gives the blocks, and None for one that is not there and is not waited for."""
        channel = self._ledger.channel
        start = start_of(seek.start, channel.height)
        stop = start_of(seek.stop, channel.height)
        if seek.behavior != _FAIL_IF_NOT_READY:
            async for block in channel.follow(start, stop):
                yield block
            return
        for number in range(start, stop + 1):
            if number >= channel.height:
                yield None
                return
            yield channel.blocks[number]

    def _filtered(self, block: common_pb2.Block) -> peer_pb2.DeliverResponse:
        found = peer_pb2.FilteredBlock(channel_id=self._ledger.channel.name, number=block.header.number)
        for data, code in zip(block.data.data, block.metadata.metadata[FILTER], strict=True):
            header, event = read_event(data)
            one = found.filtered_transactions.add(txid=header.tx_id)
            # Numbers as they are: a client may have sent a type that has no name.
            one.type, one.tx_validation_code = header.type, code  # type: ignore[assignment]
            if event is not None:
                told = one.transaction_actions.chaincode_actions.add().chaincode_event
                told.chaincode_id, told.tx_id, told.event_name = event.chaincode_id, event.tx_id, event.event_name
        return peer_pb2.DeliverResponse(filtered_block=found)
