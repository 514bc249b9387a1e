"""One small JSON document over HTTP: how long it may be and how long it may take are bounded, and nobody is followed.

A timeout of a socket bounds each wait, not their sum, and looking up a name has none: who sends a byte a second would
hold a reader for ever. So the exchange has a thread of its own; at the deadline it is left, and its connection shut.
"""

import socket
import ssl
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Thread
from typing import Final
from urllib.parse import SplitResult

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as HttpTimeoutError
from urllib3.response import BaseHTTPResponse

from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.errors import PlatformError, Unauthenticated
from registry.identity.issuer import read_url

MAX_BYTES: Final = 256 << 10
DEADLINE_SECONDS: Final = 5.0
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "cryptlet-registry"}


def fetch_json(url: str, *, deadline_seconds: float = DEADLINE_SECONDS, max_bytes: int = MAX_BYTES) -> JsonValue:
    """Returns the JSON document at an URL.

    Args:
        url: ``https``, or ``http`` on this machine.
        deadline_seconds: for all of it: name, connection, headers, body.
        max_bytes: of the body.

    Raises:
        PlatformError: it did not answer in time, or not with a document; it may later.
        Unauthenticated: it answered with what is not taken: a redirect, a body that is too long.
        Malformed: the URL cannot be used, or the body is no JSON.
    """
    exchange = _Exchange(read_url(url, "url"), deadline_seconds, max_bytes)
    Thread(target=exchange.run, name="fetch", daemon=True).start()
    late = f"{url}: no whole answer within {deadline_seconds:g} s; is the issuer up? retry is safe"
    if wait((exchange.body,), deadline_seconds).not_done:
        exchange.shut()
        raise PlatformError(late)
    try:
        body = exchange.body.result()
    except (TimeoutError, HttpTimeoutError) as error:
        raise PlatformError(late) from error
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        raise PlatformError(f"{url}: {error}; is the issuer up, and is this its URL? retry is safe") from error
    return canonical.parse(body, max_bytes=max_bytes, max_depth=16)


@dataclass
class _Exchange:
    """A request and its answer, in a thread that its caller does not wait for longer than it wants."""

    url: SplitResult
    timeout: float
    max_bytes: int
    body: Future[bytes] = field(default_factory=Future)
    _socket: socket.socket | None = None

    def run(self) -> None:
        """Sets ``body``, to the answer's or to what went wrong."""
        connection = self._connection()
        try:
            connection.connect()
            self._socket = connection.sock  # an answer that ends its connection takes the socket away from it
            self.body.set_result(self._get(connection))
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            self.body.set_exception(error)
        finally:
            connection.close()

    def shut(self) -> None:
        """Ends whatever the thread is waiting for."""
        if (held := self._socket) is not None:
            try:
                # Not the method of a TLS socket, which is not made for two threads.
                socket.socket.shutdown(held, socket.SHUT_RDWR)
            except OSError:
                return  # it ended by itself

    def _connection(self) -> HTTPConnection:
        host = self.url.hostname or ""
        if self.url.scheme == "https":
            context = ssl.create_default_context()
            return HTTPSConnection(host, self.url.port, timeout=self.timeout, ssl_context=context)
        return HTTPConnection(host, self.url.port, timeout=self.timeout)

    def _get(self, connection: HTTPConnection) -> bytes:
        connection.request("GET", self.url.path or "/", headers=_HEADERS, preload_content=False, decode_content=False)
        with closing(connection.getresponse()) as answer:
            self._check(answer)
            body = answer.read(self.max_bytes + 1)
        if len(body) > self.max_bytes:
            raise Unauthenticated(f"{self.url.geturl()}: expected at most {self.max_bytes} bytes, got more")
        return body

    def _check(self, answer: BaseHTTPResponse) -> None:
        if answer.status in _REDIRECTS:
            target = ascii(answer.headers.get("location", ""))[:100]
            raise Unauthenticated(f"{self.url.geturl()}: redirects to {target}; an issuer answers at its own URL")
        if answer.status != _OK:
            raise PlatformError(f"{self.url.geturl()}: expected status {_OK}, got {answer.status}")
