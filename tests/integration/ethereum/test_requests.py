"""Requests on a real node: final ones only, all of them, in order, once, and a reorg noticed."""

from typing import Final

import pytest

from adapters.ethereum import abi
from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.indexed import SPAN, Cursor
from adapters.ethereum.rpc import Call, RpcError
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, LedgerUnavailable, Reorged
from fabric.core.ids import BindingVersion, Digest, method_word, request_id, sha256
from fabric.ledger.port import Request, RequestPage
from tests.support.evm import FINALITY, World

pytestmark = pytest.mark.ethereum

REQUEST: Final = abi.Function("request(bytes32,bytes32,bytes32,uint64)")
METHOD: Final = method_word("judge")
BINDING: Final = BindingVersion(sha256(b"binding"))


async def ask(chain: World, *numbers: int, account: int = 3) -> NodeAccount:
    """Has an account ask for invocations; they wait for the next block."""
    asker = await NodeAccount.open(chain.rpc, account)
    to = "0x" + chain.destination.settlement[-20:].hex()
    for number in numbers:
        data = REQUEST.call(METHOD, sha256(b"%d" % number), BINDING, number)
        await chain.do(
            "eth_sendTransaction",
            {"from": "0x" + asker.address.hex(), "to": to, "data": "0x" + data.hex(), "gas": hex(300_000)},
        )
    return asker


async def read(chain: World, cursor: bytes = b"", limit: int = 100) -> RequestPage:
    return await chain.ledger.requests(cursor, limit)


def versions(page: RequestPage) -> list[int]:
    return [request.state_version for request in page.requests]


async def test_a_request_is_seen_when_it_is_final_and_once(chain: World) -> None:
    asker = await ask(chain, 7)
    await chain.mine()
    made = await chain.block("latest")
    page = await read(chain)
    for _ in range(FINALITY):
        assert versions(page) == []
        await chain.mine()
        page = await read(chain, page.cursor)
    (request,) = page.requests
    requester = asker.address.rjust(32, b"\0")
    parts = (METHOD, sha256(b"7"), BINDING)
    assert request.invocation == request_id(chain.destination.id, requester, 0, *parts)  # type: ignore[arg-type]
    assert (request.requester, request.nonce, request.index) == (requester, 0, 0)
    assert (request.method, request.input, request.binding) == parts
    assert (request.state_version, request.time) == (7, made.time)
    assert f"block {made.number} " in request.locator
    again = await read(chain, page.cursor)
    assert again.requests == ()
    await chain.mine()
    assert (await read(chain, again.cursor)).cursor != again.cursor


async def test_pages_hold_all_in_order(chain: World) -> None:
    await ask(chain, 0, 1, 2)
    await ask(chain, 3, account=4)
    await chain.mine()
    await ask(chain, 4, 5)
    await chain.mine(1 + FINALITY)
    assert len((await read(chain)).requests) == 6
    cursor, seen = b"", list[Request]()
    for _ in range(4):
        page = await read(chain, cursor, limit=2)
        seen += page.requests
        cursor = page.cursor
    assert [request.index for request in seen] == list(range(6))
    assert sorted(request.state_version for request in seen) == list(range(6))
    await ask(chain, 9)
    await chain.mine(1 + FINALITY)
    (last,) = (await read(chain, cursor)).requests
    assert last.index == 6


async def test_long_ranges_are_read_in_pieces(chain: World) -> None:
    await ask(chain, 1)
    await chain.mine(SPAN + 50)
    await ask(chain, 2)
    await chain.mine(1 + FINALITY)
    first = await read(chain)
    assert versions(first) == [1]
    assert versions(await read(chain, first.cursor)) == [2]


async def test_a_few_round_trips_for_any_number(chain: World) -> None:
    await ask(chain, *range(20))
    await chain.mine(1 + FINALITY)
    before = chain.ledger.rpc.round_trips
    assert len((await read(chain)).requests) == 20
    assert chain.ledger.rpc.round_trips - before == 3, "view, events, blocks of the events"


async def test_a_reorg_behind_the_cursor_is_told(chain: World) -> None:
    await ask(chain, 1)
    await chain.mine(1 + FINALITY)
    page = await read(chain)
    assert versions(page) == [1]
    await chain.do("anvil_reorg", FINALITY + 1, [])
    await chain.reopen()
    for _ in range(2):
        with pytest.raises(Reorged, match="was final"):
            await read(chain, page.cursor)
        await chain.mine()


async def test_a_reorg_before_finality_is_not_seen(chain: World) -> None:
    await ask(chain, 1)
    await chain.mine(FINALITY)
    page = await read(chain)
    await chain.do("anvil_reorg", FINALITY, [])
    await ask(chain, 2, account=5)
    await chain.mine(FINALITY + 1)
    assert versions(await read(chain, page.cursor)) == [2]


async def test_a_node_behind_the_cursor_is_unavailable(chain: World) -> None:
    head = await chain.block("latest")
    far = Cursor(head.number + 1000, head.hash, 0).encode()
    page = await read(chain, far)
    assert (page.requests, page.cursor) == ((), far)


@pytest.mark.parametrize("cursor", [b"1", b"{}", b'{"block":1}'])
async def test_what_is_no_cursor_is_told(chain: World, cursor: bytes) -> None:
    with pytest.raises(LedgerError, match="cursor"):
        await read(chain, cursor)


class TestNodeThatLies:
    """A node whose answers to ``eth_getLogs`` are changed on their way."""

    @pytest.fixture
    async def three(self, chain: World) -> World:
        await ask(chain, 1, 2, 3)
        await chain.mine(1 + FINALITY)
        return chain

    def lie(self, chain: World, monkeypatch: pytest.MonkeyPatch, change: object) -> None:
        batch = chain.ledger.rpc.batch

        async def changed(calls: list[Call]) -> list[JsonValue | RpcError]:
            given = await batch(calls)
            return [
                change(answer) if method == "eth_getLogs" else answer  # type: ignore[operator]
                for (method, _), answer in zip(calls, given, strict=True)
            ]

        monkeypatch.setattr(chain.ledger.rpc, "batch", changed)

    @pytest.mark.parametrize("missing", [0, 1, 2])
    async def test_a_missing_event_is_noticed(
        self, three: World, monkeypatch: pytest.MonkeyPatch, missing: int
    ) -> None:
        self.lie(three, monkeypatch, lambda logs: [log for at, log in enumerate(logs) if at != missing])
        with pytest.raises(LedgerUnavailable):
            await read(three)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("blockHash", "0x" + "00" * 32),
            ("blockNumber", "0x1"),
            ("address", "0x" + "0a" * 20),
            ("data", "0x" + "00" * 160),
            ("data", "0x"),
            ("topics", ["0x" + "00" * 32] * 4),
            ("topics", []),
            ("topics", None),
        ],
        ids=["hash", "number", "address", "data", "no-data", "topics", "no-topics", "null"],
    )
    async def test_a_changed_event_is_noticed(
        self, three: World, monkeypatch: pytest.MonkeyPatch, field: str, value: JsonValue
    ) -> None:
        self.lie(three, monkeypatch, lambda logs: [logs[0] | {field: value}, *logs[1:]])
        with pytest.raises(LedgerUnavailable):
            await read(three)

    async def test_the_truth_is_believed(self, three: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lie(three, monkeypatch, lambda logs: logs[::-1])
        assert versions(await read(three)) == [1, 2, 3]
        assert Digest(sha256(b"1")) == (await read(three)).requests[0].input
