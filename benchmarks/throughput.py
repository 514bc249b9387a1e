"""Results a second: through a stream against plain Ray actor calls, unary against a bare gRPC echo."""

from typing import Any, Final

import grpc.aio

from benchmarks.figures import Figure
from benchmarks.running import Bench, client

STREAMED: Final = 25_600
UNARY: Final = 6_000
RAY_CALLS: Final = 8_000


async def measure(bench: Bench) -> list[Figure]:
    """Returns both figures, baseline and value taken in turn."""
    ray = await bench.app.cluster.measure(RAY_CALLS)
    streamed = (await client("stream", str(bench.state), str(STREAMED)))["rate"]
    echo = await _echo()
    unary = (await client("unary", str(bench.state), str(UNARY)))["rate"]
    return [
        Figure("signed, stored results/s, one gRPC stream, vs Ray calls", streamed, "/s", ray, ">= 3x"),
        Figure("the same, unary, 64 in flight, vs bare grpc.aio echo", unary, "/s", echo, ">= 0.5x"),
    ]


async def _echo() -> float:
    async def answer(data: bytes, context: Any) -> bytes:  # noqa: ANN401, ARG001 - gRPC's own shape
        return data

    server = grpc.aio.server()
    handler = grpc.method_handlers_generic_handler("bench", {"echo": grpc.unary_unary_rpc_method_handler(answer)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        return (await client("echo", f"127.0.0.1:{port}", str(UNARY)))["rate"]
    finally:
        await server.stop(None)
