"""A JSON-RPC proxy between which and its caller things go wrong: seeded, and steered by a test as an object.

It stands before a real node. Faults of the line delay, cut and spoil answers; lies change what is asked or answered and
keep everything else true, as a lagging, buggy or hostile node does.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from eth_abi.abi import encode

from adapters.ethereum import abi

BEHIND: Final = 5
"""Blocks by which a stale node is behind."""
SLOW_SECONDS: Final = 0.1
_WORD: Final = "0x" + "ab" * 32
Batch = list[dict[str, Any]]
"""JSON-RPC requests, or their answers in the same order."""


@dataclass
class Chaos:
    """The proxy.

    Attributes:
        target: the node's URL.
        rng: decides everything that is not told.
        fault: name of the fault that is on, ``""`` for none.
        share: of the round trips that it hits.
        destination: id of the deployment that lies are about, in hexadecimal digits.
        hit: how often each fault hit.
    """

    target: str
    rng: random.Random
    destination: str
    fault: str = ""
    share: float = 1.0
    hit: Counter[str] = field(default_factory=Counter)
    port: int = 0
    _session: aiohttp.ClientSession | None = None
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, method: str, *parameters: Any) -> Any:  # noqa: ANN401 - JSON
        """Asks the node itself."""
        (answer,) = await self._forward([{"jsonrpc": "2.0", "id": 0, "method": method, "params": list(parameters)}])
        return answer.get("result")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one connection until it ends."""
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            while (body := await _request(reader)) is not None:
                await self._answer(json.loads(body), writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller left, or the line was cut on purpose
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, asked: Any, writer: asyncio.StreamWriter) -> None:  # noqa: ANN401 - JSON
        batch: Batch = asked if isinstance(asked, list) else [asked]
        fault = self.fault if self.fault and self.rng.random() < self.share else ""
        if lie := LIES.get(fault):
            answers = await lie(self, batch)
        else:
            answers = await self._forward(batch)
        if fault:
            self.hit[fault] += 1
        body = json.dumps(answers if isinstance(asked, list) else answers[0]).encode()
        await LINES.get(fault, _send)(self, body, writer)

    async def _forward(self, batch: Batch) -> Batch:
        assert self._session
        async with self._session.post(self.target, json=batch) as response:
            answers: Batch = await response.json()
        order = {one["id"]: at for at, one in enumerate(batch)}
        return sorted(answers, key=lambda one: order[one["id"]])


@asynccontextmanager
async def chaos(target: str, seed: int, destination: str) -> AsyncIterator[Chaos]:
    """Starts a proxy before a node; without a fault it changes nothing."""
    proxy = Chaos(target, random.Random(seed), destination)  # noqa: S311 - repeatable
    async with aiohttp.ClientSession() as session:
        proxy._session = session
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            for task in list(proxy._tasks):
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """Reads the body of one HTTP request; None when the caller has left."""
    with suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        size = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        return await reader.readexactly(size)
    return None


def _head(size: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n".encode()


async def _send(_chaos: Chaos, body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(len(body)) + body)
    await writer.drain()


async def _slow(chaos: Chaos, body: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(chaos.rng.random() * SLOW_SECONDS)
    await _send(chaos, body, writer)


async def _reset(_chaos: Chaos, _body: bytes, writer: asyncio.StreamWriter) -> None:
    """The node did what was asked; who asked does not hear of it."""
    writer.transport.abort()
    raise ConnectionResetError


async def _half_open(_chaos: Chaos, _body: bytes, _writer: asyncio.StreamWriter) -> None:
    """Nothing comes, and the connection stays."""
    await asyncio.Event().wait()


async def _truncated(chaos: Chaos, body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(len(body)) + body[: chaos.rng.randrange(len(body))])
    await writer.drain()
    raise ConnectionResetError


async def _corrupt(chaos: Chaos, body: bytes, writer: asyncio.StreamWriter) -> None:
    """One byte is another one; often still JSON."""
    at = chaos.rng.randrange(len(body))
    other = bytes([chaos.rng.choice(b"0123456789abcdef")])
    await _send(chaos, body[:at] + other + body[at + 1 :], writer)


async def _reordered(chaos: Chaos, body: bytes, writer: asyncio.StreamWriter) -> None:
    answers = json.loads(body)
    if isinstance(answers, list):
        chaos.rng.shuffle(answers)
    await _send(chaos, json.dumps(answers).encode(), writer)


LINES: Final[dict[str, Callable[[Chaos, bytes, asyncio.StreamWriter], Awaitable[None]]]] = {
    "slow": _slow,
    "reset": _reset,
    "half-open": _half_open,
    "truncated": _truncated,
    "corrupt": _corrupt,
    "reordered": _reordered,
}
"""Faults of the line."""


def _changing(change: Callable[[Chaos, dict[str, Any], Any], Any]) -> "Lie":
    """Returns the lie that changes the result of each call of a batch."""

    async def lie(chaos: Chaos, batch: Batch) -> Batch:
        answers = await chaos._forward(batch)
        for call, answer in zip(batch, answers, strict=True):
            if "result" in answer:
                answer["result"] = change(chaos, call, answer["result"])
        return answers

    return lie


async def _stale(chaos: Chaos, batch: Batch) -> Batch:
    """Answers as a node does that is some blocks behind: head, counts, state, receipts, logs."""
    head = max(int(await chaos.ask("eth_blockNumber"), 16) - BEHIND, 0)
    answers = await chaos._forward([_behind(call, head) for call in batch])
    for call, answer in zip(batch, answers, strict=True):
        if _is_beyond(answer.get("result"), head):
            answer["result"] = [] if call["method"] == "eth_getLogs" else None
    return answers


def _behind(call: dict[str, Any], head: int) -> dict[str, Any]:
    def bounded(value: Any) -> Any:  # noqa: ANN401 - JSON
        if value in ("latest", "pending"):
            return hex(head)
        if isinstance(value, dict) and "toBlock" in value:
            return value | {"toBlock": hex(min(int(value["toBlock"], 16), head))}
        return value

    return call | {"params": [bounded(value) for value in call["params"]]}


def _is_beyond(result: Any, head: int) -> bool:  # noqa: ANN401 - JSON
    if isinstance(result, list):
        return any(_is_beyond(one, head) for one in result)
    number = result.get("blockNumber", result.get("number")) if isinstance(result, dict) else None
    return isinstance(number, str) and int(number, 16) > head


def _empty_logs(_chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    return [] if call["method"] == "eth_getLogs" else result


def _forged_logs(chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    """Tells of events that never were: a request whose id is right, or the effect that is asked for."""
    if call["method"] != "eth_getLogs":
        return result
    wanted = call["params"][0]
    topics = [topic or _WORD for topic in wanted["topics"]]
    like = result[-1] if result else None
    where = like or {"blockNumber": wanted["fromBlock"], "blockHash": _WORD, "transactionHash": _WORD}
    forged = {"address": wanted["address"], "topics": topics, "data": "0x", "logIndex": "0x7f", "removed": False}
    forged |= {name: where[name] for name in ("blockNumber", "blockHash", "transactionHash")}
    forged["transactionIndex"] = like["transactionIndex"] if like else "0x0"
    if topics == ["0x" + abi.REQUESTED.hex()]:
        forged |= _forged_request(chaos, len(result))
    return [*result, forged] if chaos.rng.random() < 0.5 else [forged, *result]


def _forged_request(chaos: Chaos, index: int) -> dict[str, Any]:
    from fabric.core.ids import Account, BindingVersion, Digest, request_id  # noqa: PLC0415 - one lie needs it

    requester = Account(bytes(12) + bytes(range(20)))
    method, given, binding = (chaos.rng.randbytes(32) for _ in range(3))
    destination = bytes.fromhex(chaos.destination)
    name = request_id(destination, requester, 0, Digest(method), Digest(given), BindingVersion(binding))  # type: ignore[arg-type]
    topics = [abi.REQUESTED, index.to_bytes(32, "big"), name, requester]
    data = encode(abi.REQUESTED_DATA, [0, method, given, binding, 0])
    return {"topics": ["0x" + topic.hex() for topic in topics], "data": "0x" + data.hex()}


def _forged_receipts(chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    """Turns success into failure and failure into success, with or without the events."""
    if call["method"] != "eth_getTransactionReceipt" or result is None:
        return result
    if chaos.rng.random() < 0.5:
        return result | {"logs": []}
    return result | {"status": "0x1" if result["status"] == "0x0" else "0x0"}


def _null_receipts(_chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    hidden = ("eth_getTransactionReceipt", "eth_getBlockReceipts", "eth_getTransactionByHash")
    return None if call["method"] in hidden else result


def _forged_effects(_chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    """Says yes to every question of the contract's state."""
    return "0x" + (1).to_bytes(32, "big").hex() if call["method"] == "eth_call" else result


def _denied_effects(_chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    """Says no to every question of the contract's state, and that every transaction failed."""
    if call["method"] == "eth_call":
        return "0x" + "00" * ((len(result) - 2) // 2)
    if call["method"] == "eth_getTransactionReceipt" and result:
        return result | {"status": "0x0", "logs": []}
    return result


def _forged_head(_chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    """Says that the head is far ahead, so that everything would be final."""
    if call["method"] == "eth_getBlockByNumber" and call["params"][0] == "latest":
        return result | {"number": hex(int(result["number"], 16) + 1_000)}
    return result


def _forged_nonces(chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    if call["method"] == "eth_getTransactionCount":
        return hex(int(result, 16) + chaos.rng.choice((1, 50)))
    return result


def _other_chain_id(_chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    return "0x5" if call["method"] == "eth_chainId" else result


def _other_genesis(_chaos: Chaos, call: dict[str, Any], result: Any) -> Any:  # noqa: ANN401 - JSON
    if call["method"] == "eth_getBlockByNumber" and call["params"][0] == "0x0":
        return result | {"hash": _WORD}
    return result


Lie = Callable[[Chaos, Batch], Awaitable[Batch]]
LIES: Final[dict[str, Lie]] = {
    "stale": _stale,
    "empty logs": _changing(_empty_logs),
    "forged logs": _changing(_forged_logs),
    "forged receipts": _changing(_forged_receipts),
    "null receipts": _changing(_null_receipts),
    "forged effects": _changing(_forged_effects),
    "denied effects": _changing(_denied_effects),
    "forged head": _changing(_forged_head),
    "forged nonces": _changing(_forged_nonces),
    "other chain id": _changing(_other_chain_id),
    "other genesis": _changing(_other_genesis),
}
"""What a node says that is not so."""
FAULTS: Final = (*LINES, *LIES)
