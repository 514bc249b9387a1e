"""The load: a client process. ``python -m benchmarks.load stream|unary|echo STATE-OR-TARGET COUNT``."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import grpc.aio

from benchmarks.running import BINDING
from fabric.cli.calls import open_client
from fabric.client import Call, Client
from fabric.core.clock import SystemClock
from fabric.wire.service import InvokeRequest

IN_FLIGHT: Final = 64
MESSAGE: Final = 256
CLOCK: Final = SystemClock()


def _call(label: str, number: int) -> Call:
    return Call("document", b'{"document":{"lot":%d,"site":"Basel"}}' % number, f"{label}-{number}")


async def stream(state: str, count: int) -> float:
    """Returns results a second through one stream, each answered when it is signed and stored."""
    async with open_client(Path(state)) as client:
        await _warm_up(client)
        start = CLOCK.monotonic_seconds()
        done = 0
        async for reply in client.stream(_messages(f"stream-{start}", count)):
            failures = [answer.failure for answer in reply.answers if answer.failure]
            if failures:
                raise RuntimeError(str(failures[0]))
            done += len(reply.answers)
        return done / (CLOCK.monotonic_seconds() - start)


async def _messages(label: str, count: int) -> AsyncIterator[InvokeRequest]:
    for first in range(0, count, MESSAGE):
        calls = tuple(_call(label, number) for number in range(first, min(first + MESSAGE, count)))
        yield InvokeRequest(BINDING, calls)


async def unary(state: str, count: int) -> float:
    """Returns results a second with 64 unary calls in flight."""
    async with open_client(Path(state)) as client:
        await _warm_up(client)
        label = f"unary-{CLOCK.monotonic_seconds()}"

        async def once(number: int) -> None:
            reply = await client.invoke(BINDING, [_call(label, number)])
            if reply.answers[0].failure:
                raise RuntimeError(str(reply.answers[0].failure))

        return await _in_flight(once, count)


async def echo(target: str, count: int) -> float:
    """Returns calls a second to a bare grpc.aio echo, with 64 in flight."""
    async with grpc.aio.insecure_channel(target) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/bench/echo")

        async def once(number: int) -> None:
            await call(b"%d" % number)

        await _in_flight(once, 500)
        return await _in_flight(once, count)


async def _in_flight(once: Callable[[int], Awaitable[None]], count: int) -> float:
    start = CLOCK.monotonic_seconds()
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await once(number)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return count / (CLOCK.monotonic_seconds() - start)


async def _warm_up(client: Client) -> None:
    label = f"warm-{CLOCK.monotonic_seconds()}"
    await client.invoke(BINDING, [_call(label, number) for number in range(256)])


def main() -> None:
    """Runs the load that the arguments name and prints its rate."""
    kind, where, count = sys.argv[1:]
    rate = asyncio.run({"stream": stream, "unary": unary, "echo": echo}[kind](where, int(count)))
    print(json.dumps({"rate": rate}))


if __name__ == "__main__":
    main()
