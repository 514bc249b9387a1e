"""The link to a chaincode process: the peer dials it and executes transactions over one stream (``protos.Chaincode``).

Several transactions run at once; each asks for the state by its own messages. A process that went away is dialled anew
when the next transaction needs it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded.proposals import Proposal
from adapters.hyperledger.embedded.simulation import Simulation
from adapters.hyperledger.embedded.state import Value
from adapters.hyperledger.proto import peer_pb2, queryresult_pb2, shim_pb2

SECONDS: Final = 30.0
"""Within which a transaction ends, and within which a process registers."""
MAX_BYTES: Final = 100 << 20
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_BYTES),
    ("grpc.max_send_message_length", MAX_BYTES),
    # Dialled anew is dialled at once, whoever else of this process failed to reach the same address a moment ago.
    ("grpc.use_local_subchannel_pool", 1),
)
_METHOD: Final = "/protos.Chaincode/Connect"
_Message = shim_pb2.ChaincodeMessage


class ChaincodeGone(Exception):
    """The chaincode process does not answer a transaction, or not with a response; the message says why."""


@dataclass(frozen=True)
class Executed:
    """What a chaincode answered: its response, and its event if it set one."""

    response: peer_pb2.Response
    event: peer_pb2.ChaincodeEvent | None


@dataclass
class _Running:
    simulation: Simulation
    done: "asyncio.Future[Executed]"
    iterators: dict[str, list[shim_pb2.QueryResultBytes]] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)


class ChaincodeLink:
    """One peer's link to one chaincode process."""

    def __init__(self, address: str, package: str) -> None:
        """Takes ``host:port`` of the process, and the package id under which it must register."""
        self._address = address
        self._package = package
        self._channel: grpc.aio.Channel | None = None
        self._stream: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._running: dict[tuple[str, str], _Running] = {}
        self._dialling = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def execute(self, proposal: Proposal, simulation: Simulation) -> Executed:
        """Executes a transaction; raises ``ChaincodeGone``."""
        key = (proposal.channel_header.channel_id, proposal.transaction)
        if key in self._running:
            raise ChaincodeGone(f"transaction {proposal.transaction} is being executed already")
        await self._dial()
        running = _Running(simulation, asyncio.get_running_loop().create_future())
        self._running[key] = running
        try:
            async with asyncio.timeout(SECONDS):
                await self._send(_start(proposal))
                return await running.done
        except TimeoutError:
            raise ChaincodeGone(f"timeout expired while executing transaction: {SECONDS:.0f} s") from None
        finally:
            del self._running[key]

    async def aclose(self) -> None:
        """Ends the link."""
        await self._hang_up("the peer ends")

    async def _dial(self) -> None:
        async with self._dialling:
            if self._reader is not None and not self._reader.done():
                return
            await self._hang_up("dialled anew")
            self._channel = grpc.aio.insecure_channel(self._address, options=_OPTIONS)
            connect = self._channel.stream_stream(_METHOD, _Message.SerializeToString, _Message.FromString)
            self._stream = connect()
            try:
                await asyncio.wait_for(self._register(), SECONDS)
            except TimeoutError:
                raise ChaincodeGone("timeout expired while starting chaincode") from None
            except (grpc.aio.AioRpcError, DecodeError) as error:
                reason = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
                raise ChaincodeGone(f"could not launch chaincode {self._package}: {reason}") from error
            self._reader = asyncio.create_task(self._read())

    async def _register(self) -> None:
        first = await self._received()
        if first is None or first.type != _Message.REGISTER:
            raise ChaincodeGone(f"what answers at {self._address} registers no chaincode")
        name = peer_pb2.ChaincodeID.FromString(first.payload).name
        if name != self._package:
            raise ChaincodeGone(f"the chaincode at {self._address} is {name!r}, expected {self._package!r}")
        await self._send(_Message(type=_Message.REGISTERED))
        await self._send(_Message(type=_Message.READY))

    async def _send(self, message: shim_pb2.ChaincodeMessage) -> None:
        # A stream takes one message at a time.
        async with self._writing:
            try:
                await self._stream.write(message)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                raise ChaincodeGone(f"the chaincode at {self._address} went away") from error

    async def _read(self) -> None:
        reason = f"the chaincode at {self._address} went away"
        try:
            while (message := await self._received()) is not None:
                await self._take(message)
        except (grpc.aio.AioRpcError, DecodeError, ValueError, ChaincodeGone) as error:
            reason = f"{reason}: {error!r}"
        finally:
            self._fail(reason)

    async def _received(self) -> shim_pb2.ChaincodeMessage | None:
        """Returns the next message, None at the end of the stream; raises ``ChaincodeGone`` for what is no message."""
        message = await self._stream.read()
        if message is grpc.aio.EOF:
            return None
        if not isinstance(message, _Message):  # gRPC gives None for bytes that it could not read, and logs them
            raise ChaincodeGone(f"the chaincode at {self._address} sends what is no message")
        return message

    async def _take(self, message: shim_pb2.ChaincodeMessage) -> None:
        running = self._running.get((message.channel_id, message.txid))
        if running is None:
            return  # a keep-alive, or a transaction that nobody waits for any more
        if message.type in _ENDINGS:
            if not running.done.done():
                self._finish(running, message)
            return
        answer = _Message(type=_Message.RESPONSE, txid=message.txid, channel_id=message.channel_id)
        try:
            answer.payload = _ANSWERS[message.type](running, message.payload)
        except (KeyError, DecodeError) as error:
            answer.type, answer.payload = _Message.ERROR, f"[{message.type}] not answered: {error!r}".encode()
        await self._send(answer)

    def _finish(self, running: _Running, message: shim_pb2.ChaincodeMessage) -> None:
        try:
            running.done.set_result(_ENDINGS[message.type](message))
        except ChaincodeGone as error:
            running.done.set_exception(error)

    def _fail(self, reason: str) -> None:
        for running in self._running.values():
            if not running.done.done():
                running.done.set_exception(ChaincodeGone(reason))

    async def _hang_up(self, reason: str) -> None:
        self._fail(reason)
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        if self._channel is not None:
            await self._channel.close()
        self._channel = self._reader = None


def _start(proposal: Proposal) -> shim_pb2.ChaincodeMessage:
    given = peer_pb2.ChaincodeInput(args=proposal.args)
    message = _Message(type=_Message.TRANSACTION, payload=given.SerializeToString(), txid=proposal.transaction)
    message.channel_id = proposal.channel_header.channel_id
    message.proposal.CopyFrom(proposal.signed)
    return message


def _completed(message: shim_pb2.ChaincodeMessage) -> Executed:
    event = message.chaincode_event if message.HasField("chaincode_event") else None
    try:
        return Executed(peer_pb2.Response.FromString(message.payload), event)
    except DecodeError as error:
        raise ChaincodeGone("failed to unmarshal response") from error


def _failed(message: shim_pb2.ChaincodeMessage) -> Executed:
    raise ChaincodeGone(f"transaction returned with failure: {message.payload.decode(errors='replace')}")


def _get(running: _Running, payload: bytes) -> bytes:
    return running.simulation.get(shim_pb2.GetState.FromString(payload).key) or b""


def _put(running: _Running, payload: bytes) -> bytes:
    put = shim_pb2.PutState.FromString(payload)
    running.simulation.put(put.key, put.value)
    return b""


def _delete(running: _Running, payload: bytes) -> bytes:
    running.simulation.delete(shim_pb2.DelState.FromString(payload).key)
    return b""


def _range(running: _Running, payload: bytes) -> bytes:
    asked = shim_pb2.GetStateByRange.FromString(payload)
    name = str(next(running.numbers))
    found = running.simulation.between(asked.startKey, asked.endKey)
    running.iterators[name] = [_result(running.simulation.namespace, key, value) for key, value in found]
    return _page(running, name)


def _result(namespace: str, key: str, value: Value) -> shim_pb2.QueryResultBytes:
    found = queryresult_pb2.KV(namespace=namespace, key=key, value=value.data)
    return shim_pb2.QueryResultBytes(resultBytes=found.SerializeToString())


def _next(running: _Running, payload: bytes) -> bytes:
    return _page(running, shim_pb2.QueryStateNext.FromString(payload).id)


def _close(running: _Running, payload: bytes) -> bytes:
    name = shim_pb2.QueryStateClose.FromString(payload).id
    running.iterators.pop(name, None)
    return shim_pb2.QueryResponse(id=name).SerializeToString()


def _page(running: _Running, name: str) -> bytes:
    left = running.iterators[name]
    page, running.iterators[name] = left[:_PAGE], left[_PAGE:]
    return shim_pb2.QueryResponse(results=page, has_more=len(left) > _PAGE, id=name).SerializeToString()


_PAGE: Final = 100
_ENDINGS: Final[dict[int, Callable[[shim_pb2.ChaincodeMessage], Executed]]] = {
    _Message.COMPLETED: _completed,
    _Message.ERROR: _failed,
}
_ANSWERS: Final[dict[int, Callable[[_Running, bytes], bytes]]] = {
    _Message.GET_STATE: _get,
    _Message.PUT_STATE: _put,
    _Message.DEL_STATE: _delete,
    _Message.GET_STATE_BY_RANGE: _range,
    _Message.QUERY_STATE_NEXT: _next,
    _Message.QUERY_STATE_CLOSE: _close,
}
