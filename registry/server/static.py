"""Static files: what any web server could hand out as well."""

import asyncio
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fabric.core.errors import NotFound
from registry.server.answers import guarded

ROOMS: Final = ("metadata", "targets", "log", "wheels", "standings")
_CHANGING: Final = ("timestamp.json", "checkpoint", "index.json")
"""The last one lists the anchors; every target has its digest before its name."""
_FOREVER: Final = "public, max-age=31536000, immutable"


def static_routes(public: Path) -> list[BaseRoute]:
    """Returns the routes of a registry's public folder."""
    root = public.resolve()

    async def serve(request: Request) -> Response:
        """Gives a file."""
        place = root / request.url.path.lstrip("/")
        path = place.resolve()
        # Drafts of files begin with a dot; nothing outside the folder is reached by whatever path or link.
        if not path.is_relative_to(root) or path.name.startswith(".") or not path.is_file():
            raise NotFound(f"no file {request.url.path[:200]}")
        data = await asyncio.to_thread(path.read_bytes)
        is_changing = path.name in _CHANGING or path.is_relative_to(root / "standings")
        headers = {"Cache-Control": "no-cache" if is_changing else _FOREVER, "X-Content-Type-Options": "nosniff"}
        return Response(data, headers=headers, media_type="application/octet-stream")

    return [Route(f"/{room}/{{path:path}}", guarded(serve), methods=["GET"]) for room in ROOMS]
