"""JSON-RPC to one node, in batches: many questions, one round trip.

web3.py carries the bytes. Its own batch refuses ``eth_sendRawTransaction`` and gives up a whole batch when one answer
is an error, so the provider's batch is called directly and every answer is read by us (``adapters.ethereum.answers``).
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ClientResponseError
from typing_extensions import override
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3._utils.http_session_manager import HTTPSessionManager
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import RPCEndpoint

from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerSilent, LedgerUnavailable

MAX_CALLS: Final = 500
"""Nodes bound the number of calls in a batch; geth by 1,000."""
MAX_BYTES: Final = 1 << 20
"""Nodes bound the size of a request; anvil by 2 MB."""
MAX_ANSWER_BYTES: Final = 256 << 20
"""Of one round trip; the receipts of a block of 120 million gas that is full of the smallest logs, about 300,000, have
some 200 MB as JSON. Without a bound a node ends us by memory."""
_CALL_BYTES: Final = 200
_RECURSION_LIMIT: Final = 1000
"""Python's own. py_ecc, which web3.py brings along, lifts it a hundredfold as it is imported, and then an answer of
nested brackets ends the whole process where it should be an error."""
sys.setrecursionlimit(_RECURSION_LIMIT)

Call = tuple[str, list[JsonValue]]
"""Method and parameters."""


@dataclass(frozen=True)
class RpcError:
    """A node's refusal of one call.

    Attributes:
        code: JSON-RPC error code.
        message: for people; nodes differ.
        data: revert data, where the call was executed and reverted.
    """

    code: int
    message: str
    data: bytes = b""


class Rpc:
    """A node. Safe for concurrent use within one event loop.

    Attributes:
        place: host and port of the node, for people.
        round_trips: requests sent so far.
        web3: the same connection for web3.py's own calls; PoA extra data is handled.
    """

    def __init__(self, url: str, timeout_seconds: float = 20.0) -> None:
        """Opens nothing yet; ``timeout_seconds`` bounds each round trip; web3.py does so by 30."""
        self._timeout_seconds = timeout_seconds
        self.place = place_of(url)
        self._provider: AsyncHTTPProvider = _Provider(url)
        self.web3 = AsyncWeb3(self._provider)
        # Clique and QBFT blocks carry more than 32 bytes of extra data, which web3.py refuses without it.
        self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self.round_trips = 0

    async def batch(self, calls: Sequence[Call]) -> list[JsonValue | RpcError]:
        """Returns one answer for each call, in order.

        Raises:
            LedgerSilent: no answer. Calls of the batch may have been executed.
            LedgerUnavailable: one that is no JSON-RPC batch response. The same.
        """
        answers: list[JsonValue | RpcError] = []
        for window in _windows(calls):
            answers += await self._round_trip(window)
        return answers

    async def ask(self, calls: Sequence[Call]) -> list[JsonValue]:
        """Returns one result for each call, in order.

        Raises:
            LedgerUnavailable: as ``batch``; also when the node refuses one of the calls.
        """
        return results(calls, await self.batch(calls))

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        await self._provider.disconnect()

    async def _round_trip(self, calls: Sequence[Call]) -> list[JsonValue | RpcError]:
        self.round_trips += 1
        requests = [(RPCEndpoint(method), parameters) for method, parameters in calls]
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._provider.make_batch_request(requests)
        except Exception as error:  # noqa: BLE001 - the port promises one kind
            message = f"no answer from the node at {self.place}: {self._reason(error)}"
            answered = isinstance(error, (ClientResponseError, LedgerUnavailable))
            # Not `from error`: its text holds the URL and the headers sent, and with them a provider's key.
            raise (LedgerUnavailable if answered else LedgerSilent)(message) from None
        return _read(response, len(calls))

    def _reason(self, error: Exception) -> str:
        """Says why there is no answer, in our words."""
        match error:
            case TimeoutError():
                return f"none within {self._timeout_seconds:g} s"
            case ClientResponseError():
                return f"HTTP status {error.status}"
            case ClientConnectorError():
                return error.os_error.strerror or type(error.os_error).__name__
            case LedgerUnavailable():
                return str(error)
            case _:
                return type(error).__name__


class _Bounded(HTTPSessionManager):
    """Reads an answer to a bound and no further."""

    @override
    async def async_make_post_request(self, endpoint_uri: Any, data: Any, **kwargs: Any) -> bytes:
        response = await self.async_get_response_from_post_request(endpoint_uri, data=data, **kwargs)
        read = bytearray()
        async with response:
            async for part in response.content.iter_any():
                read += part
                if len(read) > MAX_ANSWER_BYTES:
                    raise LedgerUnavailable(f"an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
        return bytes(read)


class _Provider(AsyncHTTPProvider):
    """web3.py's own, which reads to a bound."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._request_session_manager = _Bounded()


def place_of(url: str) -> str:
    """Returns host and port of a URL; what else stands in it may be a provider's key, or a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


async def ask_local(port: int) -> None:
    """Returns when the node on a port of 127.0.0.1 has answered; raises ``LedgerUnavailable``."""
    rpc = Rpc(f"http://127.0.0.1:{port}")
    try:
        await rpc.ask([("eth_chainId", [])])
    finally:
        await rpc.aclose()


def results(calls: Sequence[Call], answers: Sequence[JsonValue | RpcError]) -> list[JsonValue]:
    """Returns the results of calls; raises ``LedgerUnavailable`` where the node refused one."""
    found: list[JsonValue] = []
    for (method, _), answer in zip(calls, answers, strict=True):
        if isinstance(answer, RpcError):
            message = f"{method} was refused: {answer.message} ({answer.code})"
            raise LedgerUnavailable(message)
        found.append(answer)
    return found


def _read(response: object, count: int) -> list[JsonValue | RpcError]:
    """Reads a batch response, which the provider has sorted by id."""
    if not isinstance(response, list):
        message = f"the node refused a batch of {count}: {json.dumps(response)[:200]}"
        raise LedgerUnavailable(message)
    ids = [item.get("id") if isinstance(item, dict) else None for item in response]
    if len(response) != count or not all(isinstance(each, int) for each in ids):
        message = f"the node gave {len(response)} answers to {count} calls"
        raise LedgerUnavailable(message)
    numbers = cast("list[int]", ids)
    if numbers != list(range(numbers[0], numbers[0] + count)):
        message = "the node's answers belong to other calls"
        raise LedgerUnavailable(message)
    return [_answer(cast("dict[str, JsonValue]", item)) for item in response]


def _answer(item: dict[str, JsonValue]) -> JsonValue | RpcError:
    error = item.get("error")
    if error is None:
        return item.get("result")
    if not isinstance(error, dict):
        return RpcError(0, str(error)[:200])
    code = error.get("code")
    return RpcError(code if isinstance(code, int) else 0, str(error.get("message"))[:200], _revert_data(error))


def _revert_data(error: dict[str, JsonValue]) -> bytes:
    """Returns revert data; some nodes put it one level deeper."""
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, str) or not data.startswith("0x"):
        return b""
    try:
        return bytes.fromhex(data[2:])
    except ValueError:
        return b""


def _windows(calls: Sequence[Call]) -> Iterator[Sequence[Call]]:
    """Splits calls where the next one would make a request too large for a node."""
    start = size = 0
    for end, (_, parameters) in enumerate(calls):
        weight = _CALL_BYTES + sum(len(item) for item in parameters if isinstance(item, str))
        if end > start and (end - start == MAX_CALLS or size + weight > MAX_BYTES):
            yield calls[start:end]
            start, size = end, 0
        size += weight
    if start < len(calls):
        yield calls[start:]
