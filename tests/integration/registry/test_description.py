"""The API does what its description says, and no more: each operation is brought to each answer that it may give."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import pytest
from starlette.applications import Starlette

from fabric.bundles.bundle import read_bundle
from fabric.core import canonical
from fabric.core.clock import SystemClock
from fabric.core.ids import Measurement, sha256
from fabric.trust.policy import Publisher
from fabric.trust.standing import State
from registry.book.bodies import Change, Claim, Compromise, Link, Rebuild, Service
from registry.book.bodies import Issuer as Trusted
from registry.book.entry import Entry
from registry.house import registry as house_of_registry
from registry.proof_of_key import Asked, prove
from registry.server.api import Api
from registry.server.app import make_app
from registry.server.limits import Gate, Limits
from registry.server.operation import BASE
from registry.server.operations import OPERATIONS, routes
from tests.support.account_links import EVM, linked
from tests.support.asgi import Answer, call_here
from tests.support.described import Described
from tests.support.issuer import AUDIENCE, REPOSITORY, Issuer, running_issuer
from tests.support.proofs import PUBLISHER, Recipe, policy
from tests.support.registries import ALICE, BOB, ORIGIN, House, opened, owners, release, wheel
from tests.vectors.gen_data_service import DOCUMENT

pytestmark = pytest.mark.e2e

NOBODY: Final = "ab" * 32
LONG: Final = b"x" * ((32 << 20) + 1)


@dataclass
class Scene:
    """A registry in which something of everything is there.

    Attributes:
        house: it; ``acme`` is Alice's and Bob's, and trusts the issuer.
        app: its application, which is watched.
        issuer: of tokens.
    """

    house: House
    app: Described
    issuer: Issuer

    async def ask(self, method: str, path: str, body: bytes | None = b"", token: str = "") -> Answer:
        headers = {"authorization": token if " " in token else f"Bearer {token}"} if token else {}
        return await call_here(self.app, BASE + path, headers, method, body)

    def token(self, name: str) -> str:
        claims = self.issuer.mint.claims(SystemClock().unix_seconds())
        return self.issuer.mint.token({**claims, "jti": name})

    async def submit(self, entry: Entry) -> Answer:
        return await self.ask("POST", "/entries", canonical.encode(entry.to_json()))


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    accepts = policy(publishers=(Publisher(PUBLISHER.key, ("greeter",)),))
    with running_issuer() as issuer:
        async with opened(folder) as house:
            await house.claim("acme", ALICE, BOB)
            trusted = Trusted(issuer.url, AUDIENCE, {"repository": REPOSITORY})
            body = replace(owners(ALICE, BOB), issuers=(trusted,))
            await house.registry.submit(house.entry("acme", body, ALICE))
            yield Scene(house, Described(make_app(house.registry, is_local=True, policy=accepts)), issuer)


def file_of(entry: Entry, data: bytes) -> str:
    """Returns where the wheel file of a release that waits is brought."""
    return f"/pending/{entry.digest.hex()}/wheels/{sha256(data).hex()}"


def proven(asked: Asked) -> str:
    return prove(asked, ALICE.key.public, ALICE.key.sign, SystemClock().unix_seconds())


async def good(at: Scene) -> None:
    """Brings every operation to its good answers."""
    house, data = at.house, wheel()
    entry = house.entry("acme", release(data, ALICE), ALICE)
    assert (await at.submit(entry)).status == 202
    assert (await at.ask("GET", f"/pending/{entry.digest.hex()}")).status == 200
    assert (await at.ask("PUT", file_of(entry, data), data)).status == 200
    assert (await at.submit(entry)).status == 200
    later = wheel(version="1.1.0")
    staged = house.entry("acme", release(later, ALICE, staged=True), ALICE)
    assert (await at.submit(staged)).status == 202
    assert (await at.ask("PUT", file_of(staged, later), later)).status == 202
    proof_of_key = proven(Asked(ORIGIN, staged.digest))
    path = f"/pending/{staged.digest.hex()}/wheel"
    assert (await at.ask("GET", path, b"", proof_of_key)).status == 200
    assert (await at.ask("GET", path)).status == 401
    path = f"/pending/{staged.digest.hex()}"
    assert (await at.ask("DELETE", path, b"", proof_of_key)).status == 401  # it is for reading
    assert (await at.ask("DELETE", path, b"", proven(Asked(ORIGIN, staged.digest, "forget")))).status == 200
    assert (await at.ask("GET", path)).status == 404
    assert (await at.ask("POST", "/staged/acme", wheel("other"), at.token("good"))).status == 202
    assert (await at.ask("POST", "/usage", proof(data))).status == 200
    await fill(house, data)
    for path in ("/", "/openapi.json", "/search?q=greets", "/search?page=2", "/pending", "/cryptlets/acme/greeter"):
        assert (await at.ask("GET", path)).status == 200
    for namespace in ("acme", "registry"):
        assert (await at.ask("GET", f"/namespaces/{namespace}")).status == 200


async def fill(house: House, data: bytes) -> None:
    """Logs an entry of every other kind, so that answers have something of everything in them."""
    measurement = read_bundle(data).measurement
    await house.claim("bobs", BOB)
    for namespace, body, person in (
        ("bobs", Rebuild(measurement), BOB),
        ("acme", Change(measurement, State.DEPRECATED, "a newer one is there"), ALICE),
        ("acme", Service("ecb-rates", "1.0.0", canonical.decode_object(DOCUMENT)), ALICE),
        ("acme", Link(linked(EVM).to_json()), ALICE),
        ("acme", Compromise(BOB.key.public, 2**40), ALICE),
    ):
        await house.registry.submit(house.entry(namespace, body, person))


def proof(data: bytes) -> bytes:
    """Returns a proof of a record of the bundle in a wheel file."""
    publication = release(data, ALICE).publication
    fields = {"name": publication.name, "wheel": publication.wheel, "lock": publication.lock}
    return Recipe(publication=fields, binding={"cryptlet": "greeter@1.0.0"}).make().encode()


async def bad(at: Scene) -> None:
    """Brings every operation to the errors that its caller makes."""
    house, data = at.house, wheel("bad-wheel")
    waiting = house.entry("acme", release(data, ALICE), ALICE)
    assert (await at.submit(waiting)).status == 202
    other = replace(waiting, registry="registry.test/two", signatures=())
    foreign = other.signed_by(ALICE.key.public, ALICE.key.sign)
    missing = house.entry("acme", Change(Measurement(bytes(32)), State.REVOKED, "no"), ALICE)
    own = file_of(waiting, data)
    token = at.token
    for method, path, body, asked, status in (
        ("GET", "/cryptlets/ACME/x", b"", "", 400),
        ("GET", "/cryptlets/acme/none", b"", "", 404),
        ("GET", "/namespaces/ACME", b"", "", 400),
        ("GET", "/namespaces/nobody", b"", "", 404),
        ("GET", "/pending/x", b"", "", 400),
        ("GET", f"/pending/{NOBODY}", b"", "", 404),
        ("DELETE", "/pending/x", b"", "", 400),
        ("DELETE", f"/pending/{NOBODY}", b"", "", 404),
        ("GET", "/pending/x/wheel", b"", "", 400),
        ("GET", f"/pending/{NOBODY}/wheel", b"", "", 404),
        ("POST", "/entries", b"{", "", 400),
        ("POST", "/entries", canonical.encode(missing.to_json()), "", 404),
        ("POST", "/entries", canonical.encode(foreign.to_json()), "", 409),
        ("POST", "/entries", b"x" * 49_153, "", 413),
        ("PUT", "/pending/x/wheels/x", b"", "", 400),
        ("PUT", f"/pending/{NOBODY}/wheels/{NOBODY}", b"x", "", 404),
        ("PUT", own, wheel("another"), "", 409),
        ("PUT", own, LONG, "", 413),
        ("POST", "/staged/ACME", data, "x", 400),
        ("POST", "/staged/acme", data, "", 401),
        ("POST", "/staged/nobody", data, token("nobody"), 404),
        ("POST", "/staged/acme", LONG, token("long"), 413),
        ("POST", "/usage", b"{", "", 422),
        ("POST", "/usage", proof(wheel(version="9.9.9")), "", 404),
        ("POST", "/usage", LONG[: (4 << 20) + 1], "", 413),
    ):
        answer = await at.ask(method, path, body, asked)
        assert (path, answer.status) == (path, status), answer.text
    await limited(at, own)


async def limited(at: Scene, wheel_path: str) -> None:
    """Breaks every upload off, and brings it where no place is left."""
    full = Described(make_app(at.house.registry, gate=Gate(Limits(at_once_each=0), SystemClock())))
    for method, path in (("POST", "/entries"), ("PUT", wheel_path), ("POST", "/staged/acme"), ("POST", "/usage")):
        assert (await at.ask(method, path, None, at.token("broken off"))).status == 408
        answer = await call_here(full, BASE + path, {}, method)
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")
    at.app.seen |= full.seen
    at.app.departures += full.departures


async def unlucky(at: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brings the operations to what an operator, or somebody else's server, has to answer for."""
    data = wheel("unlucky")
    with monkeypatch.context() as changed:
        changed.setattr(house_of_registry, "MAX_PENDING", 0)
        assert (await at.ask("POST", "/staged/acme", data, at.token("full"))).status == 409
    without = Described(make_app(at.house.registry))
    assert (await call_here(without, f"{BASE}/usage", {}, "POST", proof(data))).status == 409
    at.app.seen |= without.seen
    at.app.departures += without.departures
    entry = at.house.entry("acme", release(data, ALICE), ALICE)
    with sqlite3.connect(at.house.folder / "registry" / "registry.db") as database:
        for table in ("leaves", "pending", "tokens", "usage"):
            database.execute(f"ALTER TABLE registry_{table} RENAME TO gone_{table}")
    database.close()
    for method, path, body, token in (
        ("GET", "/pending", b"", ""),
        ("GET", f"/pending/{NOBODY}", b"", ""),
        ("DELETE", f"/pending/{NOBODY}", b"", ""),
        ("GET", f"/pending/{NOBODY}/wheel", b"", ""),
        ("POST", "/entries", canonical.encode(entry.to_json()), ""),
        ("PUT", f"/pending/{NOBODY}/wheels/{NOBODY}", b"x", ""),
        ("POST", "/staged/acme", data, at.token("unlucky")),
        ("POST", "/usage", proof(wheel()), ""),
    ):
        answer = await at.ask(method, path, body, token)
        assert (path, answer.status) == (path, 503), answer.text


def broken() -> Described:
    """Returns the API over a registry that is none, so that every endpoint meets what it cannot foresee."""
    nothing = cast("Any", None)
    return Described(
        Starlette(
            routes=routes(Api(nothing, nothing, cast("Any", object()), Gate(Limits(), SystemClock()), SystemClock()))
        )
    )


def addresses() -> Iterator[tuple[str, str]]:
    for operation in OPERATIONS:
        path = operation.path.format(digest=NOBODY, wheel=NOBODY, namespace="acme", name="greeter")
        yield operation.method, BASE + path


async def faulty(monkeypatch: pytest.MonkeyPatch) -> Described:
    """Brings every operation to a fault of the registry's own."""
    app = broken()
    monkeypatch.setattr("registry.server.operations._described", lambda: 1 // 0)
    entry = Entry(ORIGIN, "acme", 0, Claim(owners(ALICE))).signed_by(ALICE.key.public, ALICE.key.sign)
    bodies = {f"{BASE}/entries": canonical.encode(entry.to_json()), f"{BASE}/usage": proof(wheel())}
    for method, path in addresses():
        answer = await call_here(app, path, {"authorization": "Bearer x"}, method, bodies.get(path, b""))
        assert (path, answer.status) == (path, 500), answer.text
    return app


async def test_every_answer_that_is_described_is_given_as_it_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as at:
        await good(at)
        await bad(at)
        await unlucky(at, monkeypatch)
        seen, departures = at.app.seen, at.app.departures
        operations = at.app.description.operations
    app = await faulty(monkeypatch)
    assert departures + app.departures == []
    described = {(*key, int(status)) for key, operation in operations.items() for status in operation["responses"]}
    assert seen | app.seen == described
