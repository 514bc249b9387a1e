"""A chaincode of keys and values, written against the peers' protocol alone: ``python -m tests.support.hl_kv``.

Runs under the embedded ledger and under real peers. ``--listen HOST:PORT --package LABEL:HASH``; one JSON line when it
serves. Each function shows one thing that a peer must do.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.x509.oid import NameOID

from adapters.hyperledger.proto import common_pb2, msp_pb2, peer_pb2, queryresult_pb2, shim_pb2

Message = shim_pb2.ChaincodeMessage
MAX_BYTES = 100 << 20
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_BYTES),
    ("grpc.max_send_message_length", MAX_BYTES),
    # Peers ping every minute; the server would take it for abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.so_reuseport", 0),
)


class Failed(Exception):
    """The chaincode answers with an error."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Stub:
    """What a function of the chaincode sees of its transaction."""

    started: Message
    send: Callable[[Message], None]
    answer: "asyncio.Future[Message]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    event: peer_pb2.ChaincodeEvent | None = None

    async def ask(self, kind: int, asked: Any) -> bytes:  # noqa: ANN401 - one of several messages
        """Sends one request and waits for its answer: a peer drops a second one that comes before."""
        self.answer = asyncio.get_running_loop().create_future()
        self.send(self.message(kind, asked.SerializeToString()))
        given = await self.answer
        if given.type == Message.ERROR:
            raise Failed(given.payload.decode(errors="replace"))
        return given.payload

    def message(self, kind: int, payload: bytes) -> Message:
        started = self.started
        name = Message.Type.Name(kind)
        return Message(type=name, payload=payload, txid=started.txid, channel_id=started.channel_id)

    async def get(self, key: str) -> bytes:
        return await self.ask(Message.GET_STATE, shim_pb2.GetState(key=key))

    async def put(self, key: str, value: bytes) -> None:
        await self.ask(Message.PUT_STATE, shim_pb2.PutState(key=key, value=value))

    async def delete(self, key: str) -> None:
        await self.ask(Message.DEL_STATE, shim_pb2.DelState(key=key))

    async def between(self, start: str, end: str) -> list[tuple[str, bytes]]:
        asked = shim_pb2.GetStateByRange(startKey=start, endKey=end)
        page = shim_pb2.QueryResponse.FromString(await self.ask(Message.GET_STATE_BY_RANGE, asked))
        found = list(page.results)
        while page.has_more:
            more = shim_pb2.QueryStateNext(id=page.id)
            page = shim_pb2.QueryResponse.FromString(await self.ask(Message.QUERY_STATE_NEXT, more))
            found += page.results
        await self.ask(Message.QUERY_STATE_CLOSE, shim_pb2.QueryStateClose(id=page.id))
        rows = [queryresult_pb2.KV.FromString(one.resultBytes) for one in found]
        return [(row.key, row.value) for row in rows]

    @property
    def proposal(self) -> peer_pb2.Proposal:
        return peer_pb2.Proposal.FromString(self.started.proposal.proposal_bytes)

    @property
    def creator(self) -> msp_pb2.SerializedIdentity:
        header = common_pb2.Header.FromString(self.proposal.header)
        creator = common_pb2.SignatureHeader.FromString(header.signature_header).creator
        return msp_pb2.SerializedIdentity.FromString(creator)


async def _set(stub: Stub, key: str, value: str) -> bytes:
    await stub.put(key, value.encode())
    stub.event = peer_pb2.ChaincodeEvent(event_name="Set", payload=key.encode())
    return value.encode()


async def _get(stub: Stub, key: str) -> bytes:
    value = await stub.get(key)
    if not value:
        raise Failed(f"{key} does not exist")
    return value


async def _increase(stub: Stub, key: str) -> bytes:
    value = str(int(await stub.get(key) or b"0") + 1).encode()
    await stub.put(key, value)
    stub.event = peer_pb2.ChaincodeEvent(event_name="Incr", payload=key.encode())
    return value


async def _count(stub: Stub, start: str, end: str, total: str) -> bytes:
    found = str(len(await stub.between(start, end))).encode()
    await stub.put(total, found)
    return found


async def _fill(stub: Stub, prefix: str, number: str) -> bytes:
    for place in range(int(number)):
        await stub.put(f"{prefix}{place:05}", b"x")
    return number.encode()


async def _delete(stub: Stub, key: str) -> bytes:
    await stub.delete(key)
    return b""


async def _own(stub: Stub, key: str, value: str) -> bytes:
    """Reads what it has just written: a peer shows what was there before."""
    await stub.put(key, value.encode())
    return await stub.get(key)


async def _who(stub: Stub) -> bytes:
    certificate = x509.load_pem_x509_certificate(stub.creator.id_bytes)
    name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    return f"{stub.creator.mspid}|{name}".encode()


async def _transient(stub: Stub) -> bytes:
    given = peer_pb2.ChaincodeProposalPayload.FromString(stub.proposal.payload).TransientMap
    return given["secret"]


async def _random(_stub: Stub) -> bytes:
    return os.urandom(8)


async def _fail(_stub: Stub, status: str, message: str) -> bytes:
    raise Failed(message, int(status))


async def _sleep(_stub: Stub, seconds: str) -> bytes:
    await asyncio.sleep(float(seconds))
    return b""


FUNCTIONS: dict[str, Callable[..., Awaitable[bytes]]] = {
    "set": _set,
    "get": _get,
    "incr": _increase,
    "count": _count,
    "fill": _fill,
    "del": _delete,
    "own": _own,
    "whoami": _who,
    "transient": _transient,
    "random": _random,
    "fail": _fail,
    "sleep": _sleep,
}


class Stream:
    """One peer's stream."""

    def __init__(self, package: str) -> None:
        self.out: asyncio.Queue[Message] = asyncio.Queue()
        self._running: dict[tuple[str, str], Stub] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        name = peer_pb2.ChaincodeID(name=package).SerializeToString()
        self.out.put_nowait(Message(type=Message.REGISTER, payload=name))

    async def read(self, messages: AsyncIterator[Message]) -> None:
        """Takes what the peer sends."""
        async for message in messages:
            key = (message.channel_id, message.txid)
            if message.type == Message.TRANSACTION:
                self._running[key] = Stub(message, self.out.put_nowait)
                task = asyncio.create_task(self._work(key))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif message.type in {Message.RESPONSE, Message.ERROR} and key in self._running:
                self._running[key].answer.set_result(message)

    async def _work(self, key: tuple[str, str]) -> None:
        stub = self._running[key]
        args = [part.decode() for part in peer_pb2.ChaincodeInput.FromString(stub.started.payload).args]
        if args[:1] == ["raise"]:
            done = stub.message(Message.ERROR, b"it cannot go on")
        else:
            response = await self._response(stub, args)
            done = stub.message(Message.COMPLETED, response.SerializeToString())
            if stub.event is not None:
                done.chaincode_event.CopyFrom(stub.event)
        del self._running[key]
        self.out.put_nowait(done)

    async def _response(self, stub: Stub, args: list[str]) -> peer_pb2.Response:
        try:
            function = FUNCTIONS[args[0]]
            return peer_pb2.Response(status=200, payload=await function(stub, *args[1:]))
        except (LookupError, TypeError, ValueError):
            return peer_pb2.Response(status=500, message=f"no such call: {args}")
        except Failed as error:
            return peer_pb2.Response(status=error.status, message=str(error))


async def serve(listen: str, package: str) -> None:
    """Serves until it is cancelled."""

    async def connect(messages: AsyncIterator[Message], _context: Any) -> AsyncIterator[Message]:  # noqa: ANN401
        stream = Stream(package)
        reading = asyncio.create_task(stream.read(messages))
        getting = asyncio.create_task(stream.out.get())
        try:
            while True:
                await asyncio.wait({reading, getting}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    return
                yield getting.result()
                getting = asyncio.create_task(stream.out.get())
        finally:
            reading.cancel()
            getting.cancel()

    handler = grpc.stream_stream_rpc_method_handler(connect, Message.FromString, Message.SerializeToString)
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("protos.Chaincode", {"Connect": handler}),))
    port = server.add_insecure_port(listen)
    await server.start()
    sys.stdout.write(json.dumps({"ready": True, "port": port}) + "\n")
    sys.stdout.flush()
    try:
        await server.wait_for_termination()
    finally:
        await server.stop(None)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--package", required=True)
    chosen = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(chosen.listen, chosen.package))


if __name__ == "__main__":
    main()
