"""Health for everybody, reflection for this machine or for callers with a key, by real gRPC."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fabric.gateway import door
from fabric.gateway.door import OpenDoor, serve
from fabric.gateway.standard import is_local
from fabric.wire.service import METHODS, SERVICE
from tests.support.doors import KEY, StandIn, door_of

SERVING: Any = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Any = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[str]:
    """A door that this machine alone reaches."""
    opened = await serve(door_of(StandIn()), f"unix:{tmp_path}/door")
    yield f"unix:{tmp_path}/door"
    await opened.close(0)


@pytest.fixture
async def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A door that takes its address for one that others reach; unit tests run without a network."""
    monkeypatch.setattr(door, "is_local", lambda _: False)
    opened = await serve(door_of(StandIn()), f"unix:{tmp_path}/public")
    yield f"unix:{tmp_path}/public"
    await opened.close(0)


async def services(target: str, *metadata: tuple[str, str]) -> set[str]:
    """Returns the services that a door tells of."""

    async def ask() -> AsyncIterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        answer = await anext(aiter(stub.ServerReflectionInfo(ask(), metadata=metadata)))
    return {one.name for one in answer.list_services_response.service}


async def check(target: str, service: str = SERVICE) -> int:
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def test_health_needs_no_key(local: str, public: str) -> None:
    for target in (local, public):
        assert await check(target) == SERVING
        assert await check(target, "") == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(target, "another.Service")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_door_that_closes_says_so_before_it_is_closed(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/door"
    opened: OpenDoor = await serve(door_of(StandIn()), target)
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watching = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watching.read()).status == SERVING
        await opened.health.end()
        assert (await watching.read()).status == NOT_SERVING
        assert await check(target) == NOT_SERVING
        assert await check(target, "") == NOT_SERVING
        watching.cancel()
        await opened.close(0)


async def nothing() -> AsyncIterator[bytes]:
    """Yields no request, and does not end."""
    await asyncio.Event().wait()
    yield b""


async def test_reflection_is_open_on_this_machine(local: str) -> None:
    assert {SERVICE, "grpc.health.v1.Health"} <= await services(local)


async def test_reflection_elsewhere_needs_a_key(public: str) -> None:
    assert SERVICE in await services(public, ("authorization", f"Bearer {KEY}"))
    for metadata in ((), (("authorization", "Bearer another"),)):
        async with grpc.aio.insecure_channel(public) as channel:
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
            # Nothing is sent: a write that meets the refusal on its way fails by itself, and tells another code.
            call = stub.ServerReflectionInfo(nothing(), metadata=metadata, timeout=20)
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
            assert "no known API key" in str(await call.details())


async def test_a_call_without_a_key_is_refused_before_its_message_came(local: str) -> None:
    async with grpc.aio.insecure_channel(local) as channel:
        for name in METHODS:
            ask: Any = channel.stream_stream(f"/{SERVICE}/{name}")
            call = ask(nothing(), timeout=20, metadata=(("authorization", "Bearer another"),))
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
            assert ("fabric-code", "unauthenticated") in [*await call.trailing_metadata()]


@pytest.mark.parametrize("listen", ["127.0.0.1:7070", "127.9.9.9:0", "[::1]:7070", "localhost:0", "unix:/run/door"])
def test_addresses_of_this_machine_alone(listen: str) -> None:
    assert is_local(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:7070", "[::]:7070", "10.0.0.1:1", "example.org:1", ":7070", "7070"])
def test_addresses_that_others_reach(listen: str) -> None:
    assert not is_local(listen)
