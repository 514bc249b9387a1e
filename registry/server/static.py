"""Static files: what any web server could hand out as well."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from fabric.core.errors import NotFound
from registry.server.answers import BYTES, MAX_SHOWN, guarded

ROOMS: Final = ("metadata", "targets", "log", "wheels", "standings")
_CHANGING: Final = ("timestamp.json", "checkpoint", "index.json")
"""The last one lists the anchors; every target has its digest before its name."""
_PIECE: Final = 1 << 18
_FOREVER: Final = "public, max-age=31536000, immutable"


def static_routes(public: Path) -> list[BaseRoute]:
    """Returns the routes of a registry's public folder."""
    root = public.resolve()

    async def serve(request: Request) -> Response:
        """Gives a file."""
        path = _find(root, request.scope["path"])
        is_changing = path.name in _CHANGING or path.is_relative_to(root / "standings")
        headers = {"Cache-Control": "no-cache" if is_changing else _FOREVER, "X-Content-Type-Options": "nosniff"}
        size = path.stat().st_size
        if is_changing or size <= _PIECE:
            return Response(await asyncio.to_thread(path.read_bytes), headers=headers, media_type=BYTES)
        return StreamingResponse(_pieces(path), headers={**headers, "Content-Length": str(size)}, media_type=BYTES)

    return [Route(f"/{room}/{{path:path}}", guarded(serve), methods=["GET"]) for room in ROOMS]


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    """Reads a file that never changes while it is sent: who reads slowly holds a piece of it in memory, no more."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def _find(root: Path, asked: str) -> Path:
    """Returns the file that a path names; raises ``NotFound``."""
    try:
        path = (root / asked.lstrip("/")).resolve()
        # Drafts of files begin with a dot; nothing outside the folder is reached by whatever path or link.
        if path.is_relative_to(root) and not path.name.startswith(".") and path.is_file():
            return path
    except (OSError, ValueError) as error:  # a name that is too long, or has a zero in it, is no file's
        raise NotFound(f"no file {asked[:MAX_SHOWN]}") from error
    raise NotFound(f"no file {asked[:MAX_SHOWN]}")
