"""The gRPC door, over a Unix socket: who may enter, what errors become, streams in order and bounded."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from fabric.client import Answer, Call, Client, InvokeReply, RemoteError
from fabric.core.errors import (
    ConfigError,
    FabricError,
    Malformed,
    NotFound,
    ProofNotReady,
    Refused,
    StoreError,
    SubmitError,
    Unauthorized,
)
from fabric.core.ids import sha256
from fabric.gateway.door import MAX_IN_FLIGHT, serve
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.wire.service import METHODS, SERVICE, InvokeRequest
from tests.support.doors import CALL, DESTINATION, INVOCATION, KEY, RESULT, STATUS, StandIn, door_of
from tests.support.wheels import until


@dataclass
class House:
    """A door that is open."""

    backend: StandIn
    target: str

    def client(self, key: str = KEY) -> Client:
        return Client(self.target, key)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    backend, target = StandIn(), f"unix:{tmp_path}/door"
    opened = await serve(door_of(backend), target)
    yield House(backend, target)
    await opened.close(0)


async def test_each_method_reaches_the_backend_under_the_callers_name(house: House) -> None:
    async with house.client() as client:
        assert await client.invoke("shipments", [CALL]) == InvokeReply((Answer(INVOCATION, b"{}"),))
        assert await client.result(INVOCATION) == RESULT
        assert await client.proof(INVOCATION, DESTINATION) == b"proof"
        assert await client.put_blob(b"file") == sha256(b"file")
        assert bytes(await client.put_binding(b"document")) == sha256(b"document")
    assert [asked[0] for asked in house.backend.asked] == ["acme"] * 5
    assert house.backend.asked[0][1] == InvokeRequest("shipments", (CALL,))
    assert house.backend.asked[2][1:] == (INVOCATION, DESTINATION)


async def test_only_the_operator_sees_what_runs(house: House, tmp_path: Path) -> None:
    async with house.client() as client:
        with pytest.raises(RemoteError, match=r"unauthorized.*'acme' is no operator"):
            await client.status()
    opened = await serve(door_of(house.backend, KEY, LOCAL_CALLER), f"unix:{tmp_path}/operator")
    async with Client(f"unix:{tmp_path}/operator", KEY) as client:
        assert await client.status() == STATUS
    await opened.close(0)


@pytest.mark.parametrize("key", ["", "another key", "a key ", "00" * 32])
async def test_an_unknown_key_does_not_get_in(house: House, key: str) -> None:
    async with house.client(key) as client:
        with pytest.raises(RemoteError) as caught:
            await client.put_blob(b"file")
        assert (caught.value.remote_code, caught.value.status) == ("unauthenticated", "UNAUTHENTICATED")
        with pytest.raises(RemoteError, match="unauthenticated"):
            await anext(client.stream(_requests(1)))
    assert house.backend.asked == []


@pytest.mark.parametrize("metadata", [(), (("authorization", KEY),), (("authorization", f"Basic {KEY}"),)])
async def test_a_key_without_its_scheme_does_not_get_in(house: House, metadata: Any) -> None:  # noqa: ANN401
    async with grpc.aio.insecure_channel(house.target) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/PutBlob")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (Malformed("input", "no JSON"), "INVALID_ARGUMENT", "never"),
        (Refused("no"), "FAILED_PRECONDITION", "never"),
        (Unauthorized("no"), "PERMISSION_DENIED", "never"),
        (NotFound("no binding 'ö'"), "NOT_FOUND", "never"),
        (StoreError("disk full"), "UNAVAILABLE", "safe"),
        (SubmitError("who knows"), "UNKNOWN", "unknown"),
        (ProofNotReady("later"), "UNAVAILABLE", "safe"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
async def test_what_errors_become(house: House, error: FabricError, status: str, retry: str) -> None:
    house.backend.fails = error
    async with grpc.aio.insecure_channel(house.target) as channel:
        method = METHODS["GetResult"]
        call: Any = channel.unary_unary(f"/{SERVICE}/GetResult", None, method.decode_reply)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\n\x20" + INVOCATION, metadata=(("authorization", f"Bearer {KEY}"),))
    assert caught.value.code().name == status
    assert caught.value.details() == str(error)
    trailing = dict(caught.value.trailing_metadata() or ())
    assert (trailing["fabric-code"], trailing["fabric-retry"]) == (error.code, retry)
    async with house.client() as client:
        with pytest.raises(RemoteError) as remote:
            await client.result(INVOCATION)
    assert (remote.value.remote_code, remote.value.status, remote.value.remote_retry) == (error.code, status, retry)


async def test_a_bug_of_ours_is_an_internal_error_without_its_text(house: House) -> None:
    house.backend.fails = ValueError("the key is 1234")
    async with house.client() as client:
        with pytest.raises(RemoteError) as caught:
            await client.result(INVOCATION)
    assert (caught.value.remote_code, caught.value.status) == ("fabric", "UNKNOWN")
    assert "ValueError" in str(caught.value)
    assert "1234" not in str(caught.value)


async def test_a_long_text_does_not_hide_the_status(house: House) -> None:
    house.backend.fails = Refused("\U0001f9ca" * 100_000)
    async with house.client() as client:
        with pytest.raises(RemoteError) as caught:
            await client.result(INVOCATION)
    assert caught.value.remote_code == "refused"


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.streaming])
@pytest.mark.parametrize("data", [b"\xff", b"\n\x01", b"\n\x02\xff\xff"], ids=["garbage", "cut", "no-utf-8-or-id"])
async def test_malformed_bytes_are_an_invalid_argument(house: House, name: str, data: bytes) -> None:
    if name.startswith(("Put", "GetStatus")) and data == b"\n\x02\xff\xff":
        return  # any bytes are a blob, and a field that is not known is no error
    async with grpc.aio.insecure_channel(house.target) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/{name}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(data, metadata=(("authorization", f"Bearer {KEY}"),))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert house.backend.asked == []


async def _requests(count: int) -> AsyncIterator[InvokeRequest]:
    for number in range(count):
        yield InvokeRequest(f"{number}", (Call("judge", str(number).encode(), f"key-{number}"),))


async def test_replies_come_in_the_order_of_the_requests(house: House) -> None:
    """The first is held until all that may run beside it have run; its reply is still the first."""
    count = MAX_IN_FLIGHT + 5
    house.backend.hold = lambda binding: binding == "0"
    replies = []
    async with house.client() as client:

        async def read() -> None:
            replies.extend([reply.answers[0].output async for reply in client.stream(_requests(count))])

        reading = asyncio.create_task(read())
        await until(lambda: len(house.backend.asked) == MAX_IN_FLIGHT and house.backend.running == 1)
        assert replies == []
        house.backend.gate.set()
        await reading
    assert replies == [str(number).encode() for number in range(count)]


async def test_a_stream_runs_a_bounded_number_at_once(house: House) -> None:
    house.backend.hold = lambda _: True
    async with house.client() as client:
        reading = asyncio.create_task(_drain(client.stream(_requests(3 * MAX_IN_FLIGHT))))
        await until(lambda: house.backend.running == MAX_IN_FLIGHT)
        house.backend.gate.set()
        assert await reading == 3 * MAX_IN_FLIGHT
    assert house.backend.most == MAX_IN_FLIGHT


async def test_a_malformed_message_ends_the_stream_after_the_replies_before_it(house: House) -> None:
    async def messages() -> AsyncIterator[bytes]:
        encode = METHODS["InvokeStream"].encode_request
        yield encode(InvokeRequest("0", (CALL,)))
        yield b"\xff"

    async with grpc.aio.insecure_channel(house.target) as channel:
        call: Any = channel.stream_stream(f"/{SERVICE}/InvokeStream")
        replies = aiter(call(messages(), metadata=(("authorization", f"Bearer {KEY}"),)))
        assert METHODS["InvokeStream"].decode_reply(await anext(replies)).answers
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(replies)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_failure_ends_the_stream_and_what_still_runs(house: House) -> None:
    opens, never = house.backend.gate, asyncio.Event()

    def hold(binding: str) -> bool:
        house.backend.gate = opens if binding == "0" else never
        return True

    house.backend.hold, house.backend.fails = hold, StoreError("disk full")
    async with house.client() as client:
        reading = asyncio.create_task(_drain(client.stream(_requests(5))))
        # A stream that ends while grpc.aio still writes into it may show the failed write instead.
        await until(lambda: house.backend.running == 5)
        opens.set()
        with pytest.raises(RemoteError, match="store: disk full"):
            await reading
    await until(lambda: house.backend.running == 0)


async def test_what_runs_ends_when_the_caller_leaves(house: House) -> None:
    house.backend.hold = lambda _: True
    client = house.client()
    reading = asyncio.create_task(_drain(client.stream(_requests(5))))
    await until(lambda: house.backend.running == 5)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await until(lambda: house.backend.running == 0)
    assert house.backend.cancelled == 5
    async with client:
        assert await client.put_blob(b"still open") == sha256(b"still open")


async def test_an_address_that_cannot_be_had_is_an_error_of_configuration() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on .*choose another gateway\.listen"):
        await serve(door_of(StandIn()), "unix:/proc/no/such/door")


async def test_nobody_there(tmp_path: Path) -> None:
    async with Client(f"unix:{tmp_path}/nobody", KEY, deadline_seconds=2) as client:
        with pytest.raises(RemoteError) as caught:
            await client.put_blob(b"")
    assert (caught.value.remote_code, caught.value.remote_retry) == ("unavailable", "unknown")


async def _drain(replies: AsyncIterator[Any]) -> int:
    return len([reply async for reply in replies])
