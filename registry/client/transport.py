"""Transport: static files of a registry or a mirror, from a web server or a folder, bounded in bytes and time.

A mirror that sends without end, or a byte a minute, costs no more than the file's known size and one deadline.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface
from typing_extensions import override

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock, SystemClock
from fabric.core.errors import ConfigError, NotFound, Oversize, StoreError
from registry.client.bounded import Budget, make_pool, paying

DEADLINE_SECONDS: Final = 30.0
MAX_ANSWER: Final = 4 << 20
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 10.0
_CHUNK: Final = 65_536
_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))
_OK, _NOT_FOUND = 200, 404
_UNSENT: Final = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)


class Source(Protocol):
    """Where static files come from.

    Attributes:
        name: for messages.
    """

    name: str

    def read(self, path: str, limit: int) -> bytes:
        """Returns a file.

        Raises:
            NotFound: there is none.
            Oversize: it has more than ``limit`` bytes; no more than one chunk beyond them was read.
            StoreError: it cannot be read by now, or not within the deadline.
        """
        ...


class Folder:
    """A registry's public folder, or a mirror of it, on a disk."""

    def __init__(self, root: Path) -> None:
        """Takes the folder."""
        self.name = str(root)
        self._root = root

    def read(self, path: str, limit: int) -> bytes:
        """Returns a file; see ``Source.read``."""
        try:
            with (self._root / path).open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{self.name} has no {path}") from error
        except OSError as error:
            raise StoreError(f"{self.name}/{path}: {error.strerror or error}") from error
        return _within(data, limit, f"{self.name}/{path}")


class Web:
    """A registry or a mirror behind HTTP. Redirects are not followed: the host that was named answers, or nobody.

    Attributes:
        name: its URL, without a slash at its end.
    """

    def __init__(self, url: str, clock: Clock | None = None, deadline: float = DEADLINE_SECONDS) -> None:
        """Takes the URL; nothing is asked yet.

        Raises:
            ConfigError: no http(s) URL, or plain http to another machine.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ConfigError(f"expected an address such as https://registry.example.org, got {url[:200]!r}")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ConfigError(f"{url[:200]}: plain http is for this machine alone, take https")
        self.name = url.rstrip("/")
        self._clock = clock or SystemClock()
        self._deadline = deadline
        self._pool = make_pool(_CONNECT_SECONDS, _READ_SECONDS)

    def read(self, path: str, limit: int) -> bytes:
        """Returns a file; see ``Source.read``."""
        status, data = self._exchange("GET", path, (None, {}), limit)
        if status == _NOT_FOUND:
            raise NotFound(f"{self.name} has no {path}")
        if status != _OK:
            raise StoreError(f"{self.name}/{path}: status {status}")
        return _within(data, limit, f"{self.name}/{path}")

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | JsonObject | None,
        headers: Mapping[str, str] | None = None,
        limit: int = MAX_ANSWER,
    ) -> tuple[int, bytes]:
        """Asks the registry's API; returns status and body; raises ``Oversize`` and ``StoreError`` as ``read``."""
        data = canonical.encode(body) if isinstance(body, dict) else body
        status, answer = self._exchange(method, path, (data, headers or {}), limit)
        return status, _within(answer, limit, f"{self.name}/{path}")

    def _exchange(
        self, method: str, path: str, sent: tuple[bytes | None, Mapping[str, str]], limit: int
    ) -> tuple[int, bytes]:
        body, more = sent
        url = f"{self.name}/{path}"
        headers = {**more, "Accept-Encoding": "identity"}  # the limit counts what is sent
        try:
            with paying(Budget(url, limit, self._clock, self._deadline)):
                answer = self._pool.request(
                    method, url, body, headers=headers, preload_content=False, decode_content=False, redirect=False
                )
                try:
                    return answer.status, self._receive(answer, limit, url)
                finally:
                    answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise StoreError(f"{url}: {_unanswered(method, error)}") from error

    def _receive(self, answer: urllib3.BaseHTTPResponse, limit: int, url: str) -> bytes:
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise StoreError(f"{url}: sent as {encoding[:40]!r} where no encoding was asked for; take another mirror")
        data = bytearray()
        while len(data) <= limit and (chunk := answer.read1(min(_CHUNK, limit + 1 - len(data)))):
            data += chunk
        return bytes(data)


def open_location(location: str, clock: Clock | None = None) -> Web | Folder:
    """Opens a registry by its URL, or a mirror by its folder; raises ``ConfigError``."""
    return Web(location, clock) if "://" in location else Folder(Path(location))


class Fetcher(FetcherInterface):
    """Lends a source to TUF's updater, which bounds each file itself; ``limit`` bounds what it does not know."""

    def __init__(self, source: Source, limit: int = 8 << 20) -> None:
        """Takes the source."""
        self._source = source
        self._limit = limit

    @override
    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix("registry:///")
        try:
            yield self._source.read(path, self._limit)
        except NotFound as error:
            raise DownloadHTTPError(str(error), _NOT_FOUND) from error
        except (StoreError, Oversize) as error:
            raise DownloadError(str(error)) from error

    @override
    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Downloads no more than a file may have, and a chunk."""
        self._limit = max_length
        return super().download_bytes(url, max_length)


def _unanswered(method: str, error: urllib3.exceptions.HTTPError) -> str:
    """Says what is known of a request that got no answer."""
    name = type(error).__name__
    if method == "GET" or isinstance(error, _UNSENT):
        return f"no answer ({name}); is the registry up?"
    return (
        f"no answer ({name}): the connection ended while this was brought, so the registry took it or did not;"
        " do the same again, which is safe: nothing is taken twice"
    )


def _within(data: bytes, limit: int, place: str) -> bytes:
    if len(data) > limit:
        raise Oversize(f"{place}: more than the {limit} bytes that it may have; the rest was not read")
    return data
