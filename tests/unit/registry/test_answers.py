"""What goes wrong is told: to programs as the API's own JSON, to people as a page, and nobody learns what is inside."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message
from structlog.testing import capture_logs

from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError, FabricError, StoreError
from registry.client.api import Api as Client
from registry.client.transport import Web
from registry.server.answers import guarded
from registry.server.app import make_app
from registry.server.limits import Gate, Limits
from tests.support.asgi import Answer, call_here
from tests.support.registries import opened

SECRET: Final = "token eyJhbGciOi of db7"  # noqa: S105 - no secret, the word for one
FAULT: Final = re.compile(r"as fault ([0-9a-f]{16})$")


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Starlette]:
    async with opened(tmp_path) as house:
        yield make_app(house.registry)


def _error(answer: Answer) -> dict[str, str]:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    value: dict[str, dict[str, str]] = json.loads(answer.text)
    assert (sorted(value), value["meta"]) == (["error", "meta"], {"api-version": "1.0"})
    assert sorted(value["error"]) == ["code", "message", "retry"]
    return value["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/nowhere",
        "/api/v1/search/",
        "/api/v1/pending/",
        "/api/v1/no%0A",
        "/api/v1/namespaces/a/b",
        "/api/v2/search",
        "/api",
        "//api/v1/x",
        "/log/none",
        "/log/%00",
        f"/log/{'a' * 300}",
        "/metadata/%0A",
    ],
)
async def test_a_program_learns_that_nothing_is_there(app: Starlette, path: str) -> None:
    answer = await call_here(app, path, {})
    assert answer.status == 404
    assert _error(answer)["code"] == "not-found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/search", "GET, HEAD"),
        ("DELETE", "/api/v1/namespaces/acme", "GET, HEAD"),
        ("OPTIONS", "/api/v1/", "GET, HEAD"),
        ("GET", "/api/v1/entries", "POST"),
        ("POST", f"/api/v1/pending/{'ab' * 32}/wheels/{'ab' * 32}", "PUT"),
        ("PUT", "/log/checkpoint", "GET, HEAD"),
        ("NONSENSE", "/api/v1/usage", "POST"),
    ],
)
async def test_a_program_learns_what_may_be_done_there(app: Starlette, method: str, path: str, allowed: str) -> None:
    answer = await call_here(app, path, {}, method)
    assert answer.status == 405
    assert answer.headers["allow"] == allowed
    error = _error(answer)
    assert (error["code"], error["retry"]) == ("refused", "never")
    assert f"got {method}" in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/nowhere%0A", 404),
        ("GET", "/cryptlets/acme/greeter/", 404),
        ("GET", "/apis", 404),
        ("POST", "/", 405),
        ("DELETE", "/cryptlets/acme/greeter", 405),
        ("POST", "/nowhere", 404),
    ],
)
async def test_a_person_gets_a_page(app: Starlette, method: str, path: str, status: int) -> None:
    answer = await call_here(app, path, {}, method)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "What you can do" in answer.text
    assert answer.headers.get("allow") == ("GET, HEAD" if status == 405 else None)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def _raising(error: Exception) -> Starlette:
    async def endpoint(_: Request) -> Response:
        raise error

    return Starlette(routes=[Route("/x", guarded(endpoint))])


UNFORESEEN: Final[dict[str, Exception]] = {
    "a mistake": ZeroDivisionError(SECRET),
    "the disk": OSError(28, SECRET),
    "an error for the operator": ConfigError(SECRET),
    "the root of all errors": FabricError(SECRET),
    "an error of a code that is not described": type("Odd", (StoreError,), {"code": "odd"})(SECRET),
}


@pytest.mark.parametrize("name", UNFORESEEN)
async def test_a_fault_is_logged_and_told_by_its_number_alone(name: str) -> None:
    with capture_logs() as logs:
        answer = await call_here(_raising(UNFORESEEN[name]), "/x", {})
    error = _error(answer)
    assert (answer.status, error["code"]) == (500, "fabric")
    assert (number := FAULT.search(error["message"]))
    assert SECRET not in answer.text
    assert type(UNFORESEEN[name]).__name__ not in answer.text
    (line,) = logs
    assert (line["log_level"], line["path"], line["fault"]) == ("error", "/x", number[1])
    assert SECRET in line["trace"]
    assert "test_answers.py" in line["trace"]


async def test_the_log_shows_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich's traces do: whoever reads the log would read tokens."""

    async def endpoint(request: Request) -> Response:
        token = request.headers["authorization"]
        return Response(str(len(token) // 0))

    await call_here(Starlette(routes=[Route("/x", guarded(endpoint))]), "/x", {"authorization": SECRET})
    printed = capsys.readouterr()
    assert "ZeroDivisionError" in printed.out
    assert SECRET not in printed.out + printed.err


async def test_a_caller_who_goes_away_is_no_fault() -> None:
    async def endpoint(request: Request) -> Response:
        request.state.body_limit = 10
        return Response(await Gate(Limits(), SystemClock()).read(request))

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": []}
    with capture_logs() as logs:
        await Starlette(routes=[Route("/x", guarded(endpoint), methods=["POST"])])(scope, gone, send)
    assert [line["event"] for line in logs] == ["refused"]
    assert sent[0]["status"] == 408


async def test_an_author_is_told_of_a_fault_as_of_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal would end the command as one that judged the entry."""
    answer = await call_here(_raising(ZeroDivisionError(SECRET)), "/x", {})
    web = Web("http://127.0.0.1:1")
    monkeypatch.setattr(web, "ask", lambda *_: (answer.status, answer.text.encode()))
    with pytest.raises(FabricError, match="its operator finds the cause") as told:
        Client(web).pending()
    assert type(told.value) is FabricError
