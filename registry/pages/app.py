"""Pages for people: server-rendered, readable without JavaScript, harmless whatever a publisher wrote.

Every value goes through autoescape and ``text.visible``; a Content-Security-Policy loads the one stylesheet alone.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fabric.bundles.tables import NAME_PATTERN, VERSION_PATTERN
from fabric.core.errors import FabricError, NotFound
from fabric.trust.standing import BINDS
from registry.compare import Change, compare
from registry.faults import noted
from registry.pages import readme, text
from registry.pages.views import ReleaseView, Shelf
from registry.schema import read_shape

MAX_QUERY: Final = 200
MAX_SAMPLE: Final = 8_192
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a revocation has to show at once
}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_NAME: Final = re.compile(NAME_PATTERN)
_VERSION: Final = re.compile(VERSION_PATTERN)
_PAGE: Final = re.compile(r"[1-9][0-9]{0,3}")
_KINDS: Final = {"utility": "utility cryptlet", "contract": "contract cryptlet", "data": "data service"}
_DETERMINISM: Final = {
    "strict": "the same input and context give the same bytes on every machine",
    "none": "no promise that two machines give the same",
}
_EFFECTS: Final = {
    "deprecated": {
        "headline": "choose another",
        "effect": "It may still be bound and run.",
        "advice": "New work should take a later release.",
    },
    "yanked": {
        "headline": "no new bindings",
        "effect": "Bindings that are there go on; no new one is made.",
        "advice": "Move to a later release.",
    },
    "quarantined": {
        "headline": "stopped for now",
        "effect": "Nothing of it starts; what was asked for waits until the registry has looked at it.",
        "advice": "Wait, or take another release.",
    },
    "revoked": {
        "headline": "do not use it",
        "effect": "Nothing of it starts, what ran was ended, and no result that is anchored later counts.",
        "advice": "Bind another release; what was anchored before stays valid.",
    },
}
_TROUBLE: Final = {
    404: (
        "There is no such page",
        (
            "Look for a slip in the address: a full name is publisher/name.",
            "What was withdrawn keeps its page; what is not here was never published here.",
        ),
    ),
    405: ("Nothing can be sent here", ("Open the address in a browser.", "Programs use the API below /api/v1/.")),
    500: (
        "Something is broken here",
        ("Try again in a moment.", "If it stays, tell the registry's operator the number of the fault."),
    ),
    503: (
        "Not just now",
        ("Try again in a moment: nothing was lost.", "What is installed and pinned goes on: it needs no page."),
    ),
}
"""What is said of each status, and what a reader can do."""
_log = structlog.get_logger(__name__)
View = Callable[[Request], tuple[str, dict[str, Any]]]


class Pages:
    """The pages over a shelf. A thread makes each, since a long README or a large wheel would hold up the server."""

    def __init__(self, shelf: Shelf, site: str) -> None:
        """Takes what is shown, and the registry's name."""
        self._shelf = shelf
        self._templates = _environment(site)

    def routes(self) -> list[BaseRoute]:
        """Returns the routes of the pages and of the files that they refer to."""
        table: tuple[tuple[str, View], ...] = (
            ("/", self.front),
            ("/search", self.search),
            ("/cryptlets/{namespace}/{name}", self.cryptlet),
            ("/cryptlets/{namespace}/{name}/{version}", self.release),
            ("/namespaces/{namespace}", self.publisher),
        )
        return [
            *(Route(path, partial(self._page, view), methods=["GET"]) for path, view in table),
            *(Route(file.path, partial(_send, file), methods=["GET"]) for file in (_STYLESHEET, _ICON)),
        ]

    def no_route(self, request: Request, error: HTTPException) -> Response:
        """Answers what no route takes; the router says 404 or 405."""
        path = request.scope["path"][:MAX_QUERY]
        if error.status_code != 405:  # noqa: PLR2004 - method not allowed
            return self._trouble(404, f"there is no page at {path}")
        response = self._trouble(405, f"{path} can only be read")
        response.headers["Allow"] = "GET, HEAD"
        return response

    def front(self, _: Request) -> tuple[str, dict[str, Any]]:
        """The first page."""
        return "front.html", {"view": self._shelf.front()}

    def search(self, request: Request) -> tuple[str, dict[str, Any]]:
        """What a search finds."""
        typed = "".join(letter if letter.isprintable() else " " for letter in request.query_params.get("q", ""))
        query = " ".join(typed.split())[:MAX_QUERY]
        number = request.query_params.get("page", "1")
        page = int(number) if _PAGE.fullmatch(number) else 1
        return "search.html", {"query": query, "results": self._shelf.search(query, page)}

    def cryptlet(self, request: Request) -> tuple[str, dict[str, Any]]:
        """All releases of a name."""
        namespace, name = (_part(request, part) for part in ("namespace", "name"))
        view = self._shelf.cryptlet(namespace, name)
        return "cryptlet.html", {"view": _there(view, f"{namespace}/{name}")}

    def release(self, request: Request) -> tuple[str, dict[str, Any]]:
        """One release, compared with the one before it, or with another that is asked for."""
        namespace, name, version = (_part(request, part) for part in ("namespace", "name", "version"))
        view = _there(self._shelf.release(namespace, name, version), f"{namespace}/{name}@{version}")
        against = request.query_params.get("against", view.previous or "")[:MAX_QUERY] or None
        other = self._shelf.release(namespace, name, against) if against else None
        changes: tuple[Change, ...] = compare(other.terms, view.terms) if other else ()
        return "release.html", {
            "view": view,
            "against": against,
            "missing": against is not None and other is None,
            "changes": changes,
            "more": sum(change.is_alarming for change in changes),
            **_rebuilds(view),
        }

    def publisher(self, request: Request) -> tuple[str, dict[str, Any]]:
        """A namespace."""
        namespace = _part(request, "namespace")
        return "namespace.html", {"view": _there(self._shelf.publisher(namespace), namespace)}

    def _page(self, view: View, request: Request) -> Response:
        try:
            name, values = view(request)
            return self._render(name, values, 200)
        except Exception as error:  # noqa: BLE001 - logged whole; the reader learns that it happened
            return self._refusal(request, error)

    def _refusal(self, request: Request, error: Exception) -> Response:
        path = request.scope["path"][:MAX_QUERY]
        words = request.path_params.get("name") or request.path_params.get("namespace") or ""
        if isinstance(error, NotFound):
            return self._trouble(404, str(error), words[:MAX_QUERY])
        if not isinstance(error, FabricError):
            return self._trouble(500, str(noted(error, path)))
        _log.error("page not made", path=path, error=str(error))
        # The error names parts of the server that are no reader's business; the log has its words.
        told = f"the registry could not read its own records ({error.code})"
        return self._trouble(503, told, words[:MAX_QUERY])

    def _trouble(self, status: int, detail: str, look_for: str = "") -> Response:
        headline, steps = _TROUBLE[status]
        values = {"status": status, "headline": headline, "detail": detail, "steps": steps, "look_for": look_for}
        return self._render("error.html", values, status)

    def _render(self, name: str, values: dict[str, Any], status: int) -> Response:
        body = self._templates.get_template(name).render(**values)
        return Response(body, status, HEADERS, "text/html")


def _rebuilds(view: ReleaseView) -> dict[str, int]:
    said = [item for item in view.rebuilds if item.measurement is not None and not item.is_stolen]
    same = sum(item.measurement == view.measurement for item in said)
    return {"same": same, "other": len(said) - same}


def _part(request: Request, part: str) -> str:
    """Returns a part of the path that can be a name or version; a shelf is asked for no other."""
    word: str = request.path_params[part]
    if not (_VERSION if part == "version" else _NAME).fullmatch(word):
        raise NotFound(f"{word[:MAX_QUERY]} can be no {part}")
    return word


def _there(view: Any, name: str) -> Any:  # noqa: ANN401 - whatever view it is
    if view is None:
        raise NotFound(f"nothing is published as {name[:MAX_QUERY]}")
    return view


def _environment(site: str) -> Environment:
    made = Environment(
        loader=PackageLoader("registry.pages"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=text.shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "counted": text.counted,
        "machine": text.machine,
        "moment": text.moment,
        "span": text.span,
        "shape": read_shape,
        "readme": readme.render,
        "bounded": lambda value: value[:MAX_SAMPLE],
    }
    made.globals |= {
        "site": site,
        "origin": site,
        "stylesheet": _STYLESHEET.url,
        "icon_url": _ICON.url,
        "max_query": MAX_QUERY,
        "kinds": _KINDS,
        "effects": _EFFECTS,
        "determinism": _DETERMINISM,
        "binds": tuple(BINDS),
    }
    return made


@dataclass(frozen=True)
class _File:
    """A file that pages refer to, under a name that changes with its content, so that a browser can keep it."""

    path: str
    content: bytes
    media_type: str

    @property
    def url(self) -> str:
        return f"{self.path}?v={hashlib.sha256(self.content).hexdigest()[:16]}"


def _file(name: str, media_type: str) -> _File:
    return _File(f"/static/{name}", (Path(__file__).with_name("static") / name).read_bytes(), media_type)


async def _send(file: _File, _: Request) -> Response:
    return Response(file.content, headers={**HEADERS, "Cache-Control": _FOR_GOOD}, media_type=file.media_type)


_STYLESHEET: Final = _file("pages.css", "text/css")
_ICON: Final = _file("icon.svg", "image/svg+xml")
