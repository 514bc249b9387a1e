"""Calls an ASGI application in this process: no socket, no server, no client library."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    """What the application sent: status, headers by lower-case name, and the body as text."""

    status: int
    headers: dict[str, str]
    text: str


def call(app: ASGIApp, target: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    """Sends one request without a body; ``target`` is a path in percent encoding, with or without a query."""
    return asyncio.run(call_here(app, target, headers or {}, method))


async def call_here(
    app: ASGIApp, target: str, headers: dict[str, str], method: str = "GET", body: bytes | None = b""
) -> Answer:
    """Does as ``call`` in a loop that runs already, and may send a body; None goes away before it is whole."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": ("registry.test", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        if body is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *bodies = sent
    return Answer(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(body.get("body", b"") for body in bodies).decode(errors="replace"),
    )
