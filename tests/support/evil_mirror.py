"""A mirror that does what its test tells it: older files, other files, endless ones, slow ones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

Give = Callable[[], Response]


@dataclass
class Mirror:
    """Files of a public folder, some of them replaced.

    Attributes:
        root: the folder.
        files: bytes in the place of a file's, by path; None where it is kept back.
        answers: whole answers, by path.
        asked: the paths that were asked for.
    """

    root: Path
    files: dict[str, bytes | None] = field(default_factory=dict)
    answers: dict[str, Give] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._serve)])

    def take(self, folder: Path, *patterns: str) -> None:
        """Serves the files of another folder in the place of its own."""
        for pattern in patterns:
            for path in folder.glob(pattern):
                if path.is_file():
                    self.files[path.relative_to(folder).as_posix()] = path.read_bytes()

    def endless(self, path: str) -> None:
        self.answers[path] = lambda: StreamingResponse(self._endless())

    def redirect(self, path: str, url: str) -> None:
        self.answers[path] = lambda: RedirectResponse(url)

    def drip(self, path: str, beat: Callable[[], None]) -> None:
        """Sends a byte at a time; ``beat`` is called before each."""

        async def bytes_of() -> AsyncIterator[bytes]:
            while True:
                beat()
                yield b" "
                await asyncio.sleep(0)

        self.answers[path] = lambda: StreamingResponse(bytes_of())

    async def _endless(self) -> AsyncIterator[bytes]:
        while True:
            yield b" " * 4096
            await asyncio.sleep(0.001)

    async def _serve(self, request: Request) -> Response:
        path = request.path_params["path"]
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]()
        data = self.files[path] if path in self.files else self._read(path)
        return Response(status_code=404) if data is None else Response(data)

    def _read(self, path: str) -> bytes | None:
        place = self.root / path
        return place.read_bytes() if place.is_file() else None
