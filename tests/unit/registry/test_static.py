"""Static files over HTTP: what changes is asked for again, what cannot is kept, and nothing else is handed out."""

import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from registry.server.static import static_routes

FOREVER = "public, max-age=31536000, immutable"


async def _get(public: Path, path: str) -> tuple[int, dict[str, str], bytes]:
    """Asks the application itself, without a socket: status, headers, body."""
    told: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)

    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": path, "query_string": b"", "headers": []}
    await Starlette(routes=static_routes(public))(scope | {"server": ("registry.test", 80)}, receive, send)
    headers = {name.decode(): value.decode() for name, value in told[0]["headers"]}
    return told[0]["status"], headers, b"".join(item["body"] for item in told[1:])


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("metadata/timestamp.json", "no-cache"),
        ("log/checkpoint", "no-cache"),
        ("log/anchors/index.json", "no-cache"),
        ("standings/ab.json", "no-cache"),
        ("metadata/7.snapshot.json", FOREVER),
        ("log/tile/0/x001/067.p/8", FOREVER),
        ("log/anchors/3.native.json", FOREVER),
        (f"targets/names/acme/{'ab' * 32}.index.json", FOREVER),
    ],
)
async def test_only_what_changes_is_asked_for_again(tmp_path: Path, path: str, kept: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(b"{}")
    status, headers, data = await _get(tmp_path, f"/{path}")
    assert (status, data, headers["cache-control"]) == (200, b"{}", kept)


@pytest.mark.parametrize("path", ["/log/.checkpoint.new", "/log/../secret", "/log/link", "/log/none", "/log/tile"])
async def test_nothing_else_is_handed_out(tmp_path: Path, path: str) -> None:
    public = tmp_path / "public"
    (public / "log" / "tile").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"key")
    (public / "log" / ".checkpoint.new").write_bytes(b"draft")
    (public / "log" / "link").symlink_to(tmp_path / "secret")
    status, _, data = await _get(public, path)
    assert (status, json.loads(data)["error"]["code"]) == (404, "not-found")
