"""The service ``protos.Deliver``: blocks, whole or filtered, to whoever may read the channel."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded.blocks import FILTER
from adapters.hyperledger.embedded.identities import IdentityRefused
from adapters.hyperledger.embedded.ledger import Ledger
from adapters.hyperledger.embedded.seeking import start_of
from adapters.hyperledger.embedded.transactions import read_event
from adapters.hyperledger.proto import common_pb2, orderer_pb2, peer_pb2

Shape = Callable[[common_pb2.Block], peer_pb2.DeliverResponse]
_FAIL_IF_NOT_READY: Final = orderer_pb2.SeekInfo.FAIL_IF_NOT_READY


WINDOW_SECONDS: Final = 900
"""By which a question's time may differ from that of a peer."""


class _Ended(Exception):
    """The stream ends with a status that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(common_pb2.Status.Name(status))
        self.status = status


class Deliver:
    """Answers questions for blocks."""

    def __init__(self, ledger: Ledger) -> None:
        """Takes the ledger."""
        self._ledger = ledger

    async def blocks(
        self,
        asked: AsyncIterator[common_pb2.Envelope],
        context: Any,  # noqa: ANN401 - generic in types that nobody here needs
    ) -> AsyncIterator[peer_pb2.DeliverResponse]:
        """Gives whole blocks."""
        async for response in self._deliver(asked, _whole, certificate_hash(context)):
            yield response

    async def filtered(
        self,
        asked: AsyncIterator[common_pb2.Envelope],
        context: Any,  # noqa: ANN401 - generic in types that nobody here needs
    ) -> AsyncIterator[peer_pb2.DeliverResponse]:
        """Gives what every transaction came to, without what it holds."""
        async for response in self._deliver(asked, self._filtered, certificate_hash(context)):
            yield response

    async def _deliver(
        self, asked: AsyncIterator[common_pb2.Envelope], shape: Shape, certificate: bytes
    ) -> AsyncIterator[peer_pb2.DeliverResponse]:
        async for envelope in asked:
            try:
                async for block in self._found(self._seek(envelope, certificate)):
                    yield shape(block)
            except _Ended as end:
                yield peer_pb2.DeliverResponse(status=common_pb2.Status.Name(end.status))
                return
            yield peer_pb2.DeliverResponse(status="SUCCESS")

    def _seek(self, envelope: common_pb2.Envelope, certificate: bytes) -> orderer_pb2.SeekInfo:
        """Returns what is asked for, checked in the order of real peers; raises ``_Ended``."""
        try:
            payload = common_pb2.Payload.FromString(envelope.payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        except DecodeError as error:
            raise _Ended(common_pb2.BAD_REQUEST) from error
        if not self._is_now(header) or (certificate and header.tls_cert_hash != certificate):
            raise _Ended(common_pb2.BAD_REQUEST)
        if header.channel_id != self._ledger.channel.name:
            raise _Ended(common_pb2.NOT_FOUND)
        try:
            seek = orderer_pb2.SeekInfo.FromString(payload.data)
            self._ledger.identities.verified(signer.creator, envelope.payload, envelope.signature)
        except DecodeError as error:
            raise _Ended(common_pb2.BAD_REQUEST) from error
        except IdentityRefused as error:
            raise _Ended(common_pb2.FORBIDDEN) from error
        if not seek.HasField("start") or not seek.HasField("stop") or self._is_backward(seek):
            raise _Ended(common_pb2.BAD_REQUEST)
        return seek

    def _is_now(self, header: common_pb2.ChannelHeader) -> bool:
        now = self._ledger.identities.clock.unix_seconds()
        return header.HasField("timestamp") and abs(header.timestamp.seconds - now) <= WINDOW_SECONDS

    def _is_backward(self, seek: orderer_pb2.SeekInfo) -> bool:
        height = self._ledger.channel.height
        return seek.stop.HasField("specified") and start_of(seek.stop, height) < start_of(seek.start, height)

    async def _found(self, seek: orderer_pb2.SeekInfo) -> AsyncIterator[common_pb2.Block]:
        """Gives the blocks; raises ``_Ended`` for one that is not there and is not waited for."""
        channel = self._ledger.channel
        start = start_of(seek.start, channel.height)
        stop = start_of(seek.stop, channel.height)
        if seek.behavior != _FAIL_IF_NOT_READY:
            async for block in channel.follow(start, stop):
                yield block
            return
        for number in range(start, stop + 1):
            if number >= channel.height:
                raise _Ended(common_pb2.NOT_FOUND)
            yield channel.blocks[number]

    def _filtered(self, block: common_pb2.Block) -> peer_pb2.DeliverResponse:
        found = peer_pb2.FilteredBlock(channel_id=self._ledger.channel.name, number=block.header.number)
        for data, code in zip(block.data.data, block.metadata.metadata[FILTER], strict=True):
            header, event = read_event(data)
            one = found.filtered_transactions.add(txid=header.tx_id)
            # Numbers as they are: a client may have sent a type that has no name.
            one.type, one.tx_validation_code = header.type, code  # type: ignore[assignment] # see above
            if event is not None:
                told = one.transaction_actions.chaincode_actions.add().chaincode_event
                told.chaincode_id, told.tx_id, told.event_name = event.chaincode_id, event.tx_id, event.event_name
        return peer_pb2.DeliverResponse(filtered_block=found)


def _whole(block: common_pb2.Block) -> peer_pb2.DeliverResponse:
    return peer_pb2.DeliverResponse(block=block)


def certificate_hash(context: Any) -> bytes:  # noqa: ANN401 - generic in types that nobody here needs
    """Returns the SHA-256 of the certificate that a client showed, to which its questions are bound; else nothing."""
    shown = context.auth_context().get("x509_pem_cert")
    return x509.load_pem_x509_certificate(shown[0]).fingerprint(hashes.SHA256()) if shown else b""
