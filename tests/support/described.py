"""Holds the answers of an application to the description that its registry gives of its API.

Whatever is answered to programs must be described: an operation with this status, this media type, these headers, JSON
of this schema; or, where nothing is described, an error with the status 404 or 405.
"""

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.server.operations import describe
from registry.server.static import ROOMS

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
FAILURE: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}


@dataclass(frozen=True)
class Answered:
    """An answer: to what, and what was sent; headers by lower-case name."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "")


@dataclass(frozen=True)
class Description:
    """An OpenAPI document."""

    document: dict[str, Any]

    @cached_property
    def operations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By method and path, as they stand in the document; the method in capitals."""
        return {
            (method.upper(), path): operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }

    def find(self, method: str, path: str) -> tuple[str, str] | None:
        """Returns the operation that answers an address; of two, the one with fewer parameters."""
        asked = "GET" if method == "HEAD" else method
        base = self.document["servers"][0]["url"]
        fitting = [key for key in self.operations if key[0] == asked and re.fullmatch(_pattern(base + key[1]), path)]
        return min(fitting, key=lambda key: key[1].count("{"), default=None)

    def departures(self, answer: Answered) -> list[str]:
        """Says in what an answer is not as it is described; nothing where it is."""
        key = self.find(answer.method, answer.path)
        if key is None:
            return self._undescribed(answer)
        described = self.operations[key]["responses"].get(str(answer.status))
        if described is None:
            return [f"status {answer.status} is not described"]
        described = self._followed(described)
        return [*_headers(described, answer), *self._content(described["content"], answer)]

    def _undescribed(self, answer: Answered) -> list[str]:
        if answer.status not in {404, 405}:
            return [f"status {answer.status} where nothing is described"]
        return self._content(FAILURE, answer)

    def _content(self, content: dict[str, Any], answer: Answered) -> list[str]:
        if answer.media not in content:
            return [f"media type {answer.media!r} instead of {', '.join(content)}"]
        if answer.method == "HEAD" or "schema" not in content[answer.media]:
            return []
        try:
            value = json.loads(answer.body)
        except ValueError as error:
            return [f"no JSON: {error}"]
        return self.faults(content[answer.media]["schema"], value)

    def faults(self, schema: dict[str, Any], value: object) -> list[str]:
        """Says in what a value does not fit a schema of the document."""
        whole = {**schema, "components": self.document["components"]}
        found = jsonschema.Draft202012Validator(whole).iter_errors(value)
        return [f"{error.json_path}: {error.message}" for error in found]

    def _followed(self, item: dict[str, Any]) -> dict[str, Any]:
        found: Any = item
        if "$ref" in item:
            found = self.document
            for part in item["$ref"].removeprefix("#/").split("/"):
                found = found[part]
        return dict(found)


def _pattern(path: str) -> str:
    parts = re.split(r"\{\w+\}", path)
    return "[^/]+".join(re.escape(part) for part in parts)


def _headers(described: dict[str, Any], answer: Answered) -> list[str]:
    rows = described.get("headers", {}).items()
    expected = {name.lower(): row["schema"]["const"] for name, row in rows}
    return [f"no header {name}: {text}" for name, text in expected.items() if answer.headers.get(name) != text]


@dataclass
class Described:
    """An application whose answers to programs are looked at while they pass.

    Attributes:
        app: the application.
        seen: the operations that answered, with the status.
        departures: what was answered otherwise than it is described.
    """

    app: ASGIApp
    description: Description = field(default_factory=lambda: Description(describe()))
    seen: set[tuple[str, str, int]] = field(default_factory=set)
    departures: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent: list[Message] = []

        async def watch(message: Message) -> None:
            sent.append(message)
            await send(message)

        await self.app(scope, receive, watch)
        if sent:
            self._look(_answered(scope, sent))

    def _look(self, answer: Answered) -> None:
        first = answer.path.lstrip("/").partition("/")[0]
        if first != "api" and not (first in ROOMS and answer.status >= 400):
            return  # a static file, or a page
        key = self.description.find(answer.method, answer.path)
        if key is not None and answer.method != "HEAD":
            self.seen.add((*key, answer.status))
        place = f"{answer.method} {answer.path} {answer.status}"
        self.departures += [f"{place}: {departure}" for departure in self.description.departures(answer)]


def _answered(scope: Scope, sent: list[Message]) -> Answered:
    start, *bodies = sent
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    body = b"".join(item.get("body", b"") for item in bodies)
    return Answered(scope["method"], scope["path"], start["status"], headers, body)
