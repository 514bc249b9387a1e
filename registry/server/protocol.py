"""Protocol: HTTP connections that end where no request comes on them.

The server's library waits for a request's head for as long as the other side likes, and for the rest of a body that
nobody reads any more. Both hold a connection, of which there are so many.
"""

import asyncio
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from fabric.core import canonical

HEAD_SECONDS: Final = 10.0
"""From the connection, or from the end of the last answer's, until a request's head is here."""
_TEXT: Final = "no whole request came in time; nothing was taken, do the same again"
_BODY: Final = canonical.encode({"error": {"code": "too-slow", "message": _TEXT, "retry": "safe"}})
_ANSWER: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n"
    + f"Content-Length: {len(_BODY)}\r\n\r\n".encode()
    + _BODY
)


class PatientProtocol(H11Protocol):
    """A connection that is closed where it holds its place without a request."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - what the library passes
        """Takes what the library passes."""
        super().__init__(*args, **kwargs)
        self._watch: asyncio.TimerHandle | None = None

    @property
    def _last(self) -> RequestResponseCycle | None:
        """The newest request, None before the first; the library says it is always there."""
        return getattr(self, "cycle", None)

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self._last is None or self._last.response_complete

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

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
