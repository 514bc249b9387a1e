"""The JSON API: what the registry knows, and what it takes in (docs/spec/registry-api.md)."""

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import NotFound, Refused, Unauthenticated
from fabric.core.ids import Digest, parse_word
from fabric.gateway.kinds import load_kind
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from registry.book.bodies import MAX_WHEEL_BYTES
from registry.book.book import Holding, Listing
from registry.book.entry import MAX_ENTRY_BYTES, decode_entry
from registry.book.words import rank
from registry.house.registry import Outcome, Registry
from registry.house.staging import Staging
from registry.house.store import Pending
from registry.names import parse_name
from registry.server.answers import Endpoint, answer, guarded
from registry.server.limits import Gate

PAGE: Final = 50
MAX_PROOF: Final = 4 << 20
_ACCEPTED: Final = 202


class Api:
    """The endpoints over one registry."""

    def __init__(self, registry: Registry, staging: Staging, policy: Policy | None, gate: Gate) -> None:
        """Takes the registry, who takes in what tokens bring, whose anchored records count as usage, and the limits."""
        self._registry = registry
        self._staging = staging
        self._policy = policy
        self._gate = gate

    def routes(self) -> list[BaseRoute]:
        """Returns the routes below ``/api/v1``."""
        table: tuple[tuple[str, str, Endpoint], ...] = (
            ("GET", "/", self.front),
            ("GET", "/search", self.search),
            ("GET", "/cryptlets/{namespace}/{name}", self.cryptlet),
            ("GET", "/namespaces/{namespace}", self.namespace),
            ("GET", "/pending", self.pending),
            ("GET", "/pending/{digest}", self.one_pending),
            ("GET", "/pending/{digest}/wheel", self.pending_wheel),
            ("POST", "/entries", self.submit),
            ("PUT", "/wheels/{digest}", self.take_wheel),
            ("POST", "/staged/{namespace}", self.stage),
            ("POST", "/usage", self.count),
        )
        return [
            Route(path, guarded(endpoint if method == "GET" else self._limited(endpoint)), methods=[method])
            for method, path, endpoint in table
        ]

    def _limited(self, endpoint: Endpoint) -> Endpoint:
        """Returns an endpoint that takes something in with its limits; a place is held until the answer is known."""

        async def inner(request: Request) -> Response:
            with self._gate.entered(request):
                return await endpoint(request)

        inner.__name__, inner.__doc__ = endpoint.__name__, endpoint.__doc__
        return inner

    async def front(self, _: Request) -> Response:
        """Says which log this is and how long it is."""
        book = self._registry.book
        return answer({"origin": book.origin, "entries": book.size, "bundles": len(book.listings)})

    async def search(self, request: Request) -> Response:
        """Finds cryptlets by words of their names and descriptions: ``q``, and ``page`` from 1."""
        query, page = request.query_params.get("q", "")[:200], request.query_params.get("page", "1")
        number = int(page) if page.isascii() and page.isdecimal() and len(page) < 6 else 1  # noqa: PLR2004
        found = self._registry.catalogue.search(query)
        start = (max(number, 1) - 1) * PAGE
        shown: list[JsonValue] = [
            {
                "ref": item.ref,
                "description": self._registry.catalogue.description(item.measurement),
                "measurement": item.measurement.hex(),
                "state": item.now.state.value,
            }
            for item in found[start : start + PAGE]
        ]
        return answer({"query": query, "total": len(found), "page": max(number, 1), "results": shown})

    async def cryptlet(self, request: Request) -> Response:
        """Lists the releases of a cryptlet, oldest first."""
        namespace, name = (parse_name(request.path_params[part], part) for part in ("namespace", "name"))
        listing = self._registry.book.find(namespace, name)
        versions = self._registry.book.holdings[namespace].names[name]
        items = [self._registry.book.listings[versions[version]] for version in sorted(versions, key=rank)]
        releases: list[JsonValue] = [_release(item) for item in items]
        return answer({"name": f"{namespace}/{name}", "newest": listing.publication.version, "releases": releases})

    async def namespace(self, request: Request) -> Response:
        """Says who owns a namespace, and its next number."""
        name = parse_name(request.path_params["namespace"], "namespace")
        return answer({"namespace": name, **_holding(self._registry.book.holding(name))})

    async def pending(self, _: Request) -> Response:
        """Lists what waits for a signature or a file, oldest first."""
        return answer({"pending": [_pending(item) for item in await self._registry.store.pending()]})

    async def one_pending(self, request: Request) -> Response:
        """Gives one entry that waits."""
        return answer(_pending(await self._waiting(request)))

    async def pending_wheel(self, request: Request) -> Response:
        """Gives the wheel file of a release that waits."""
        item = await self._waiting(request)
        if item.wheel is None:
            raise NotFound(f"{item.digest.hex()} waits for no wheel")
        data = await asyncio.to_thread(self._registry.wheels.read_waiting, item.wheel)
        return Response(data, media_type="application/octet-stream")

    async def submit(self, request: Request) -> Response:
        """Takes in a signed entry."""
        entry = decode_entry(await self._gate.read(request, MAX_ENTRY_BYTES))
        return _outcome(await self._registry.submit(entry))

    async def take_wheel(self, request: Request) -> Response:
        """Takes in the wheel file that a release waits for."""
        digest = Digest(parse_word(request.path_params["digest"], "digest"))
        await self._registry.waiting_for(digest)  # before 32 MiB are read
        return _outcome(await self._registry.take_wheel(digest, await self._gate.read(request, MAX_WHEEL_BYTES)))

    async def stage(self, request: Request) -> Response:
        """Takes in a wheel from whoever holds a token that the namespace trusts; an owner signs it later."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            raise Unauthenticated("expected the header Authorization: Bearer TOKEN")
        namespace = parse_name(request.path_params["namespace"], "namespace")
        await self._staging.check(namespace, token)  # before 32 MiB are read
        staged = await self._staging.stage(namespace, token, await self._gate.read(request, MAX_WHEEL_BYTES))
        title = f"{namespace}/{staged.bundle.manifest.title}"
        measurement = staged.bundle.measurement.hex()
        return answer({"digest": staged.digest.hex(), "ref": title, "measurement": measurement}, _ACCEPTED)

    async def count(self, request: Request) -> Response:
        """Counts an anchored record, shown by its proof, under the policy of this registry's operator; once."""
        if self._policy is None:
            raise Refused("this registry counts no usage: its operator names a policy with `serve --policy`")
        data = await self._gate.read(request, MAX_PROOF)
        verified = await asyncio.to_thread(verify, data, self._policy, load_kind)
        record = verified.proof.record
        item = self._registry.book.listing(record.measurement)
        ledger = f"{verified.ledger} {record.destination.hex()}"
        await self._registry.count(Digest(record.intent), record.measurement, ledger)
        return answer({"ref": item.ref, "ledger": verified.ledger})

    async def _waiting(self, request: Request) -> Pending:
        digest = Digest(parse_word(request.path_params["digest"], "digest"))
        found = await self._registry.store.pending(digest)
        if not found:
            raise NotFound(f"nothing named {digest.hex()} waits: it is logged, forgotten after a week, or never came")
        return found[0]


def _outcome(outcome: Outcome) -> Response:
    value: JsonObject = {"digest": outcome.digest.hex(), "position": outcome.position, "lacks": outcome.lacks}
    value["wheel"] = None if outcome.wheel is None else outcome.wheel.hex()
    return answer(value, 200 if outcome.position is not None else _ACCEPTED)


def _release(item: Listing) -> JsonObject:
    return {
        "version": item.publication.version,
        "kind": item.publication.kind,
        "measurement": item.measurement.hex(),
        "publisher": item.publication.signature.key.hex(),
        "size": item.size,
        "wheel": item.publication.wheel.hex(),
        "logged": item.logged,
        "position": item.position,
        "state": item.now.state.value,
        "reason": item.now.reason,
        "since": item.now.since,
        "rebuilds": [*sorted(item.rebuilds)],
    }


def _holding(holding: Holding) -> JsonObject:
    return {
        "sequence": holding.sequence,
        "claimed": holding.claimed,
        **holding.owners.to_json(),
        "lost": {key.hex(): since for key, since in holding.lost.items()},
        "cryptlets": [*sorted(holding.names)],
        "services": [f"{name}@{version}" for name, version in sorted(holding.services)],
    }


def _pending(item: Pending) -> JsonObject:
    return {
        "digest": item.digest.hex(),
        "kind": item.kind,
        "namespace": item.namespace,
        "body": canonical.decode(item.body),
        "wheel": None if item.wheel is None else item.wheel.hex(),
        "created": item.created,
    }
