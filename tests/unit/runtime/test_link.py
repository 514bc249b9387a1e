import asyncio
import contextlib
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fabric.core.errors import Malformed, NoCapacity, Refused
from fabric.runtime import link
from fabric.runtime.failures import CourierLost
from fabric.runtime.gateway_link import GatewayLink
from fabric.runtime.link import Kind, Message


async def received(data: bytes) -> list[Message]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    messages = []
    while (message := await link.receive(reader)) is not None:
        messages.append(message)
    return messages


messages = st.builds(Message, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=64))


@given(st.lists(messages, max_size=4))
def test_messages_come_out_as_they_went_in(sent: list[Message]) -> None:
    assert asyncio.run(received(b"".join(map(link.encode, sent)))) == sent


@given(st.binary(max_size=64))
@example(b"\xff" * 9)
@example(b"\0" * 9)
def test_any_bytes_are_messages_or_malformed(data: bytes) -> None:
    try:
        found = asyncio.run(received(data))
    except Malformed:
        return
    assert b"".join(map(link.encode, found)) == data


@given(st.binary(max_size=32))
def test_any_body_is_a_value_or_malformed(body: bytes) -> None:
    code, text = link.read_failure(body)
    assert isinstance(code + text, str)
    with contextlib.suppress(Malformed):
        assert link.write_number(link.read_number(body)) == body
    with contextlib.suppress(Malformed):
        assert link.write_exchange(*link.read_exchange(body)) == body


def test_a_long_body_is_refused_on_both_sides() -> None:
    with pytest.raises(Malformed):
        link.encode(Message(Kind.DONE, 1, bytes(link.MAX_BODY + 1)))
    with pytest.raises(Malformed):
        asyncio.run(received((link.MAX_BODY + 1).to_bytes(4, "big") + bytes(4) + bytes([Kind.DONE])))


class Driver:
    """The other end of a gateway's link."""

    def __init__(self, gateway: GatewayLink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.gateway, self.reader, self.writer = gateway, reader, writer

    async def question(self) -> Message:
        message = await link.receive(self.reader)
        assert message is not None
        return message

    def reply(self, message: Message) -> None:
        self.writer.write(link.encode(message))

    async def end(self) -> None:
        self.writer.close()
        await self.gateway.ended.wait()


async def driver() -> Driver:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)
    return Driver(await GatewayLink.over(ours), reader, writer)


async def test_answers_find_their_questions_in_any_order() -> None:
    other = await driver()
    asked = [asyncio.create_task(other.gateway.ask(Kind.MEASURE, body)) for body in (b"one", b"two")]
    questions = [await other.question() for _ in asked]
    for question in reversed(questions):
        other.reply(Message(Kind.DONE, question.call, question.body.upper()))
    assert await asyncio.gather(*asked) == [b"ONE", b"TWO"]
    await other.end()


@pytest.mark.parametrize(
    ("code", "kind"), [("no-capacity", NoCapacity), ("courier-lost", CourierLost), ("what?", Refused)]
)
async def test_a_failure_is_the_error_of_its_code(code: str, kind: type[Exception]) -> None:
    other = await driver()
    asked = asyncio.create_task(other.gateway.ask(Kind.HIRE, b""))
    other.reply(Message(Kind.FAILED, (await other.question()).call, link.write_failure(code, "because")))
    with pytest.raises(kind, match="because"):
        await asked
    await other.end()


async def test_the_end_of_the_driver_answers_every_question() -> None:
    other = await driver()
    asked = [asyncio.create_task(other.gateway.ask(Kind.HIRE, b"")) for _ in range(3)]
    await other.question()
    await other.end()
    for question in asked:
        with pytest.raises(CourierLost):
            await question
    with pytest.raises(CourierLost, match="not running"):
        await other.gateway.ask(Kind.HIRE, b"")


async def test_rubbish_from_the_jail_ends_the_link_and_nothing_else() -> None:
    other = await driver()
    asked = asyncio.create_task(other.gateway.ask(Kind.HIRE, b""))
    await other.question()
    other.writer.write(b"\xff" * 64)
    with pytest.raises(CourierLost, match="broke the link"):
        await asked
    await other.end()


async def test_an_answer_to_a_question_that_nobody_asked_is_dropped() -> None:
    other = await driver()
    asked = asyncio.create_task(other.gateway.ask(Kind.HIRE, b""))
    question = await other.question()
    other.reply(Message(Kind.DONE, question.call + 1, b"forged"))
    other.reply(Message(Kind.DONE, question.call, b"real"))
    other.reply(Message(Kind.DONE, question.call, b"again"))
    assert await asked == b"real"
    await other.end()
