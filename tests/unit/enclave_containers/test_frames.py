import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.enclave.sandbox import frames
from fabric.enclave.sandbox.frames import FrameBuffer, Task

WORD = st.binary(min_size=32, max_size=32)
NONCE = st.binary(min_size=16, max_size=16)
U64 = st.integers(0, 2**64 - 1)
TASKS = st.lists(st.builds(Task, WORD, WORD, U64, U64, st.text(max_size=60), st.binary(max_size=200)), max_size=5)


@given(NONCE, TASKS)
def test_a_request_reads_back(nonce: bytes, tasks: list[Task]) -> None:
    assert frames.decode_request(frames.encode_request(nonce, tasks)) == (nonce, tasks)


@given(NONCE, st.integers(0, 2**32 - 1), st.sampled_from([frames.DONE, *frames.FAILURES]), st.binary(max_size=100))
def test_a_reply_reads_back(nonce: bytes, index: int, status: int, payload: bytes) -> None:
    frame = frames.encode_reply(nonce, index, status, payload)
    assert frames.body_length(frame[:4], 10_000) == len(frame) - 4
    assert frames.decode_reply(frame[4:]) == frames.Answer(nonce, index, status, payload)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_malformed(data: bytes) -> None:
    try:
        nonce, tasks = frames.decode_request(data)
    except Malformed:
        return
    assert frames.encode_request(nonce, tasks) == data


@given(st.binary(max_size=400))
def test_any_bytes_are_a_reply_or_malformed(data: bytes) -> None:
    try:
        answer = frames.decode_reply(data)
    except Malformed:
        return
    assert frames.encode_reply(answer.nonce, answer.index, answer.status, answer.payload)[4:] == data


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 20))
def test_frames_come_out_however_they_were_cut(bodies: list[bytes], piece: int) -> None:
    stream = b"".join(frames.framed(body) for body in bodies)
    buffer, out = FrameBuffer(50), []
    for place in range(0, len(stream), piece):
        buffer.feed(stream[place : place + piece])
        while buffer.has_frame():
            out.append(buffer.take())
    assert out == bodies
    assert buffer.is_empty


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_any_stream_gives_frames_or_malformed(pieces: list[bytes]) -> None:
    buffer = FrameBuffer(64)
    try:
        for piece in pieces:
            buffer.feed(piece)
            while buffer.has_frame():
                assert len(buffer.take()) <= 64
    except Malformed:
        return


def test_a_long_frame_is_refused_by_its_first_four_bytes() -> None:
    buffer = FrameBuffer(100)
    buffer.feed((101).to_bytes(4, "big"))
    with pytest.raises(Malformed, match="at most 100 bytes, got 101"):
        buffer.has_frame()


def test_a_long_frame_behind_a_good_one_is_refused_in_its_turn() -> None:
    buffer = FrameBuffer(100)
    buffer.feed(frames.framed(b"x") + b"\xff" * 10)
    assert buffer.take() == b"x"
    with pytest.raises(Malformed):
        buffer.has_frame()


def test_taking_what_is_not_there_is_a_mistake() -> None:
    with pytest.raises(RuntimeError):
        FrameBuffer(1).take()


def test_more_tasks_than_allowed_are_refused() -> None:
    with pytest.raises(Malformed, match="at most 1024 tasks"):
        frames.decode_request(bytes(16) + (1025).to_bytes(4, "big"))


def test_a_long_message_of_a_failure_is_refused() -> None:
    frame = frames.encode_reply(bytes(16), 0, 1, b"x" * 5000)
    with pytest.raises(Malformed, match="message of 5000 bytes"):
        frames.decode_reply(frame[4:])


def test_a_field_out_of_range_is_the_enclaves_mistake() -> None:
    with pytest.raises(ValueError, match="out of range"):
        frames.encode_request(bytes(16), [Task(bytes(32), bytes(32), -1, 0, "m", b"")])
