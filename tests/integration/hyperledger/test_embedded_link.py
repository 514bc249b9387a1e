"""The embedded ledger's link to a chaincode: whatever a process sends, its transaction ends and the next one works."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hyperledger.embedded import link as link_module
from adapters.hyperledger.embedded.link import ChaincodeGone, ChaincodeLink, Executed
from adapters.hyperledger.embedded.proposals import Proposal, check_proposal, read_proposal
from adapters.hyperledger.embedded.simulation import Simulation
from adapters.hyperledger.proto import peer_pb2, shim_pb2
from tests.support.hl_books import Books

pytestmark = pytest.mark.hyperledger
PACKAGE = "kv:00"
Message = shim_pb2.ChaincodeMessage
Sent = Sequence[Message | bytes | None]
"""Messages, bytes that are none, and None for: wait for an answer first."""
DONE = peer_pb2.Response(status=200, payload=b"done").SerializeToString()


def _register(name: str = PACKAGE, kind: int = Message.REGISTER) -> Message:
    message = Message(payload=peer_pb2.ChaincodeID(name=name).SerializeToString())
    message.type = kind  # type: ignore[assignment]
    return message


def _message(kind: int, payload: bytes = b"") -> Message:
    message = Message(payload=payload)
    message.type = kind  # type: ignore[assignment]
    return message


class Hostile:
    """A chaincode process that registers as it is told and answers a transaction with given messages."""

    def __init__(self) -> None:
        self.first: Message | bytes | None = _register()
        self.sent: Sent = []
        self.answers: list[Message] = []

    async def connect(self, incoming: AsyncIterator[Message], _context: Any) -> AsyncIterator[bytes]:  # noqa: ANN401
        if self.first is None:
            await asyncio.sleep(60)
        yield _bytes(self.first)
        async for message in incoming:
            if message.type != Message.TRANSACTION:
                continue
            for each in self.sent:
                if each is None:
                    self.answers.append(await anext(incoming))
                elif isinstance(each, Message):
                    each.txid = each.txid or message.txid
                    each.channel_id = each.channel_id or message.channel_id
                    yield _bytes(each)
                else:
                    yield each
            if not self.sent:
                return


def _bytes(message: Message | bytes | None) -> bytes:
    assert message is not None
    return message if isinstance(message, bytes) else message.SerializeToString()


@asynccontextmanager
async def _linked(hostile: Hostile) -> AsyncIterator[ChaincodeLink]:
    handler = grpc.stream_stream_rpc_method_handler(hostile.connect, Message.FromString, lambda data: data)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("protos.Chaincode", {"Connect": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    link = ChaincodeLink(f"127.0.0.1:{port}", PACKAGE)
    try:
        yield link
    finally:
        await link.aclose()
        await server.stop(None)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "SECONDS", 1.0)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books.make(tmp_path_factory.mktemp("ledger"))


def _proposal(books: Books) -> Proposal:
    return check_proposal(read_proposal(books.parts().proposal("set", "a", "1")), books.ledger.identities)


async def _execute(books: Books, link: ChaincodeLink) -> Executed:
    return await link.execute(_proposal(books), Simulation("kv", books.channel.state))


GONE: dict[str, tuple[Message | bytes | None, Sent, str]] = {
    "never registers": (None, [], "timeout expired while starting chaincode"),
    "registers another package": (_register("other:00"), [], "is 'other:00'"),
    "registers with another message": (_register(kind=Message.COMPLETED), [], "registers no chaincode"),
    "registers with no message": (b"\xff", [], "sends what is no message"),
    "registers a package that is none": (_message(Message.REGISTER, b"\xff"), [], "could not launch chaincode"),
    "ends its stream": (_register(), [], "went away"),
    "sends what is no message": (_register(), [b"\xff\xff"], "went away"),
    "answers what is no response": (
        _register(),
        [_message(Message.COMPLETED, b"\xff")],
        "failed to unmarshal response",
    ),
    "answers with an error": (_register(), [_message(Message.ERROR, b"why")], "returned with failure: why"),
    "answers with an error in no text": (_register(), [_message(Message.ERROR, b"\xff")], "returned with failure"),
    "never answers": (_register(), [_message(Message.KEEPALIVE)], "timeout expired while executing"),
    "answers another transaction": (
        _register(),
        [Message(type="COMPLETED", txid="00", payload=DONE)],
        "timeout expired while executing",
    ),
    "answers in another channel": (
        _register(),
        [Message(type="COMPLETED", channel_id="other", payload=DONE)],
        "timeout expired while executing",
    ),
}


@pytest.mark.parametrize(("first", "sent", "reason"), GONE.values(), ids=GONE)
async def test_a_process_that_does_not_answer(
    books: Books, first: Message | bytes | None, sent: Sent, reason: str
) -> None:
    hostile = Hostile()
    async with _linked(hostile) as link:
        hostile.first, hostile.sent = first, [_copy(each) for each in sent]
        with pytest.raises(ChaincodeGone, match=reason):
            await _execute(books, link)
        hostile.first, hostile.sent = _register(), [_message(Message.COMPLETED, DONE)]
        assert await _in_the_end(lambda: _execute(books, link)) == b"done"


def _copy(each: Message | bytes | None) -> Message | bytes | None:
    return Message.FromString(each.SerializeToString()) if isinstance(each, Message) else each


async def _in_the_end(execute: Callable[[], Any]) -> bytes:
    """Returns what is answered once a stream that ended is noticed."""
    while True:
        try:
            done: Executed = await execute()
        except ChaincodeGone as error:
            assert "went away" in str(error) or "timeout" in str(error)  # noqa: PT017 - anything else fails the test
        else:
            return done.response.payload


_NEXT = shim_pb2.QueryStateNext(id="7").SerializeToString()
ANSWERED = {
    "reads with what is no key": _message(Message.GET_STATE, b"\xff"),
    "asks for a page of nothing": _message(Message.QUERY_STATE_NEXT, _NEXT),
    "asks what this ledger does not answer": _message(Message.GET_HISTORY_FOR_KEY),
    "asks what nobody knows": _message(99),
    "registers again": _register(),
}


@pytest.mark.parametrize("asked", ANSWERED.values(), ids=ANSWERED)
async def test_a_request_that_is_refused_lets_the_transaction_go_on(books: Books, asked: Message) -> None:
    hostile = Hostile()
    hostile.sent = [_copy(asked), None, _message(Message.COMPLETED, DONE), _message(Message.COMPLETED, DONE)]
    async with _linked(hostile) as link:
        assert (await _execute(books, link)).response.payload == b"done"
        assert [answer.type for answer in hostile.answers] == [Message.ERROR]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=40)), max_size=12))
def test_any_messages(tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[int, bytes]]) -> None:
    books = _shared(tmp_path_factory)
    hostile = Hostile()
    endings = {Message.COMPLETED, Message.ERROR}
    messages = [_message(kind, payload) for kind, payload in sent if kind not in endings]
    hostile.sent = [*messages, _message(Message.COMPLETED, DONE)]

    async def execute() -> None:
        async with _linked(hostile) as link:
            assert (await _execute(books, link)).response.payload == b"done"

    asyncio.run(execute())


_SHARED: list[Books] = []


def _shared(places: pytest.TempPathFactory) -> Books:
    if not _SHARED:
        _SHARED.append(Books.make(places.mktemp("shared")))
    return _SHARED[0]
