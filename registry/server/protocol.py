"""Protocol: HTTP connections that end where no request comes on them, or nobody reads the answer.

The server's library waits for a request's head for as long as the other side likes, for the rest of a body that nobody
reads any more, and for a reader of what it sends. Each holds a connection, of which there are so many.
"""

import asyncio
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from fabric.core import canonical

HEAD_SECONDS: Final = 10.0
"""From the connection, or from the end of the last answer's, until a request's head is here."""
READ_SECONDS: Final = 10.0
"""So often it is looked at what the other side has read of what was sent."""
READ_PACE: Final = 32_768
"""Bytes a second that it must have read by then."""
_TEXT: Final = "no whole request came in time; nothing was taken, do the same again"
_BODY: Final = canonical.encode({"error": {"code": "too-slow", "message": _TEXT, "retry": "safe"}})
_ANSWER: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n"
    + f"Content-Length: {len(_BODY)}\r\n\r\n".encode()
    + _BODY
)


class PatientProtocol(H11Protocol):
    """A connection that is closed where it holds its place without a request, or without reading."""

    head_seconds = HEAD_SECONDS
    read_seconds = READ_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - what the library passes
        """Takes what the library passes."""
        super().__init__(*args, **kwargs)
        self._watch: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None

    @property
    def _last(self) -> RequestResponseCycle | None:
        """The newest request, None before the first; the library says it is always there."""
        return getattr(self, "cycle", None)

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self._last is None or self._last.response_complete

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the library narrows it
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that whatever is not read yet pauses the writing, and is watched
        self._arm()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    @override
    def resume_writing(self) -> None:
        self._leave_reader()
        super().resume_writing()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_idle:
            self._arm()  # once: a byte now and then does not put it off
        else:
            self._disarm()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._leave_reader()
        super().connection_lost(exc)

    def _arm(self) -> None:
        if self._watch is None:
            self._watch = self.loop.call_later(self.head_seconds, self._end)

    def _disarm(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _end(self) -> None:
        self._watch = None
        if self.transport.is_closing() or not self._is_idle:
            return
        if self._last is None or not self._last.more_body:  # else the rest of a body drips that was answered already
            self.transport.write(_ANSWER)
        self.transport.close()

    def _watch_reader(self) -> None:
        """Looks later how much of what waits here was read meanwhile; nothing more is written before that."""
        left = self.transport.get_write_buffer_size()
        self._look = self.loop.call_later(self.read_seconds, self._judge_reader, left)

    def _leave_reader(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _judge_reader(self, left: int) -> None:
        if left - self.transport.get_write_buffer_size() < self.read_seconds * READ_PACE:
            self.transport.abort()  # to close would wait until the rest was read
        else:
            self._watch_reader()
