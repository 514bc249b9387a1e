"""Static files: what any web server could hand out as well."""

import asyncio
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fabric.core.errors import NotFound
from registry.server.answers import BYTES, MAX_SHOWN, guarded

ROOMS: Final = ("metadata", "targets", "log", "wheels", "standings")
_CHANGING: Final = ("timestamp.json", "checkpoint", "index.json")
"""The last one lists the anchors; every target has its digest before its name."""
_FOREVER: Final = "public, max-age=31536000, immutable"


def static_routes(public: Path) -> list[BaseRoute]:
    """Returns the routes of a registry's public folder."""
    root = public.resolve()

    async def serve(request: Request) -> Response:
        """Gives a file."""
        path = _find(root, request.scope["path"])
        data = await asyncio.to_thread(path.read_bytes)
        is_changing = path.name in _CHANGING or path.is_relative_to(root / "standings")
        headers = {"Cache-Control": "no-cache" if is_changing else _FOREVER, "X-Content-Type-Options": "nosniff"}
        return Response(data, headers=headers, media_type=BYTES)

    return [Route(f"/{room}/{{path:path}}", guarded(serve), methods=["GET"]) for room in ROOMS]


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
