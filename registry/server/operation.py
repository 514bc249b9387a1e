"""Operation: one thing that the API does, said once: its route and its description are both made of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path

from registry.server.answers import FAULT, JSON, guarded
from registry.server.api import Api
from registry.server.entries import Name, Word

BASE: Final = "/api/v1"
_LIMITS: Final = (408, 413, 429, 503)
Endpoint = Callable[[Api, Request], Awaitable[Response]]


@dataclass(frozen=True)
class Parameter:
    """A part of the address.

    Attributes:
        name: of the parameter.
        place: whether it is in the path or behind the question mark, where it may be left out.
        shape: type of its text.
        meaning: for people.
    """

    name: str
    place: Literal["path", "query"]
    shape: Any
    meaning: str


PATH: Final = {
    item.name: item
    for item in (
        Parameter("namespace", "path", Name, "Whose it is."),
        Parameter("name", "path", Name, "Of the cryptlet in its namespace."),
        Parameter("digest", "path", Word, "SHA-256, by which it is named."),
        Parameter("wheel", "path", Word, "SHA-256 of the file that it waits for."),
    )
}
"""What may stand in braces in a path."""


@dataclass(frozen=True)
class Takes:
    """A request's body.

    Attributes:
        max_bytes: what it may have; a longer one is refused while it comes.
        meaning: for people.
        media: its media type.
        shape: type of its JSON; None where JSON Schema has nothing to say of it.
    """

    max_bytes: int
    meaning: str
    media: str
    shape: Any = None


@dataclass(frozen=True)
class Gives:
    """A good answer.

    Attributes:
        meaning: for people.
        shape: type of its JSON; None where it is no JSON.
        media: its media type.
        status: its status.
    """

    meaning: str
    shape: Any
    media: str = JSON
    status: int = 200


@dataclass(frozen=True)
class Operation:
    """A method at a path.

    Attributes:
        method: of HTTP.
        path: below ``BASE``, with the names of its parameters in braces.
        endpoint: answers it; the first line of its docstring is the summary.
        gives: its good answers.
        refuses: statuses of the errors that it may answer with; see ``statuses``.
        takes: its body, which no operation has that does not say so.
        query: what may stand behind the question mark.
        security: name of the scheme by which its caller shows who he is; empty where anybody may ask.
    """

    method: str
    path: str
    endpoint: Endpoint
    gives: tuple[Gives, ...]
    refuses: tuple[int, ...] = ()
    takes: Takes | None = None
    query: tuple[Parameter, ...] = ()
    security: Literal["", "token", "owner"] = ""

    @property
    def name(self) -> str:
        """Names the operation among all."""
        return self.endpoint.__name__

    @property
    def statuses(self) -> frozenset[int]:
        """Those of all errors that it may answer with: its own, those of the limits of what is brought, and faults."""
        return frozenset((*self.refuses, *(_LIMITS if self.takes else ()), FAULT))

    @property
    def summary(self) -> str:
        """One sentence."""
        return (getdoc(self.endpoint) or "").partition("\n")[0]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All of them, those of the path first."""
        return (*(PATH[name] for name in compile_path(self.path)[2]), *self.query)

    def route(self, api: Api) -> Route:
        """Returns the route that leads to the endpoint."""

        async def serve(request: Request) -> Response:
            if self.takes is None:
                return await self.endpoint(api, request)
            request.state.body_limit = self.takes.max_bytes
            with api.gate.entered(request):  # a place is held until the answer is known
                return await self.endpoint(api, request)

        return Route(f"{BASE}{self.path}", guarded(serve), methods=[self.method], name=self.name)
