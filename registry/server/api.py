"""The JSON API: what the registry knows, and what it takes in (docs/spec/registry-api.md)."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from fabric.core import canonical
from fabric.core.clock import Clock
from fabric.core.errors import NotFound, Refused, Unauthenticated
from fabric.core.ids import Digest, parse_word
from fabric.gateway.kinds import load_kind
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from registry.book.book import Book, Listing
from registry.book.entry import decode_entry
from registry.book.words import rank
from registry.house.registry import Outcome, Registry
from registry.house.staging import Staging
from registry.house.store import Pending
from registry.names import parse_name
from registry.proof_of_key import Asked, check
from registry.server import shapes
from registry.server.answers import BYTES, answer
from registry.server.limits import Gate
from registry.server.shapes import MAX_QUERY, META, PAGE

if TYPE_CHECKING:
    from registry.server.entries import Entry, Issuer

ACCEPTED: Final = 202
_PAGE_DIGITS: Final = 6
"""No page has as many."""


class Api:
    """The endpoints over one registry; ``registry.server.operations`` says where each of them is."""

    def __init__(self, registry: Registry, staging: Staging, policy: Policy | None, gate: Gate, clock: Clock) -> None:
        """Takes its parts.

        Args:
            registry: the registry.
            staging: takes in what tokens bring.
            policy: whose anchored records count as usage; None counts none.
            gate: lets in what is brought.
            clock: the time that proofs of keys are judged at.
        """
        self._registry = registry
        self._staging = staging
        self._policy = policy
        self.gate: Final = gate
        self._clock = clock

    async def front(self, _: Request) -> Response:
        """Says which log this is and how long it is."""
        book = self._registry.book
        bundles = len(book.listings)
        return answer(
            shapes.Front(meta=META, origin=book.origin, entries=book.size, bundles=bundles, openapi="openapi.json")
        )

    async def search(self, request: Request) -> Response:
        """Finds cryptlets by words of their names and descriptions."""
        query, page = request.query_params.get("q", "")[:MAX_QUERY], _page(request)
        found = self._registry.catalogue.search(query)
        results = [self._found(item) for item in found[_part(page)]]
        return answer(shapes.Search(meta=META, query=query, total=len(found), page=page, results=results))

    async def cryptlet(self, request: Request) -> Response:
        """Lists the releases of a cryptlet, oldest first."""
        namespace, name = (parse_name(request.path_params[part], part) for part in ("namespace", "name"))
        book = self._registry.book
        listing, versions = book.find(namespace, name), book.holdings[namespace].names[name]
        items = [book.listings[versions[version]] for version in sorted(versions, key=rank)]
        newest, releases = listing.publication.version, [_listed(book, item) for item in items]
        return answer(shapes.Cryptlet(meta=META, name=f"{namespace}/{name}", newest=newest, releases=releases))

    async def namespace(self, request: Request) -> Response:
        """Says who owns a namespace, and its next number."""
        name = parse_name(request.path_params["namespace"], "namespace")
        holding = self._registry.book.holding(name)
        owners = holding.owners
        issuers: list[Issuer] = [
            {"url": item.url, "audience": item.audience, "claims": {**item.claims}} for item in owners.issuers
        ]
        return answer(
            shapes.Namespace(
                meta=META,
                namespace=name,
                sequence=holding.sequence,
                claimed=holding.claimed,
                keys=[key.hex() for key in owners.keys],
                threshold=owners.threshold,
                issuers=issuers,
                lost={key.hex(): since for key, since in holding.lost.items()},
                cryptlets=sorted(holding.names),
                services=[f"{name}@{version}" for name, version in sorted(holding.services)],
            )
        )

    async def pending(self, request: Request) -> Response:
        """Lists what waits for a signature or a file, oldest first, a page of it."""
        items = await self._registry.store.pending(part=_part(_page(request)))
        return answer(shapes.Pending(meta=META, pending=[_item(item) for item in items]))

    async def one_pending(self, request: Request) -> Response:
        """Gives one item that waits."""
        return answer(shapes.OnePending(meta=META, **_item(await self._waiting(request))))

    async def pending_wheel(self, request: Request) -> Response:
        """Gives the wheel file of a release that waits to whoever may sign it."""
        item = await self._waiting(request)
        self._check_owner(request, item, Asked(self._registry.book.origin, item.digest))
        if item.wheel is None:
            raise NotFound(f"{item.digest.hex()} waits for no wheel")
        data = await asyncio.to_thread(self._registry.wheels.read_waiting, item.namespace, item.wheel)
        return Response(data, media_type=BYTES)

    async def forget(self, request: Request) -> Response:
        """Forgets what waits, and its file, for whoever may sign it: an owner, or an authority."""
        item = await self._waiting(request)
        self._check_owner(request, item, Asked(self._registry.book.origin, item.digest, "forget"))
        await self._registry.forget(item.digest)
        return answer(shapes.OnePending(meta=META, **_item(item)))

    def _check_owner(self, request: Request, item: Pending, asked: Asked) -> None:
        """Lets owners of the namespace and authorities on; a claim has no owners yet; raises ``Unauthenticated``."""
        book = self._registry.book
        holding = book.holdings.get(item.namespace)
        keys = {*(holding.owners.keys if holding else ()), *book.authorities().keys}
        check(request.headers.get("authorization", ""), asked, keys, self._clock.unix_seconds())

    async def submit(self, request: Request) -> Response:
        """Takes in a signed entry."""
        entry = decode_entry(await self.gate.read(request))
        return _outcome(await self._registry.submit(entry))

    async def take_wheel(self, request: Request) -> Response:
        """Takes in the wheel file that a release waits for."""
        entry, wheel = (Digest(parse_word(request.path_params[part], part)) for part in ("digest", "wheel"))
        await self._registry.waiting_for(entry, wheel)  # before a byte of the file is taken
        return _outcome(await self._registry.take_wheel(entry, wheel, await self.gate.read(request)))

    async def stage(self, request: Request) -> Response:
        """Takes in a wheel from whoever holds a token that the namespace trusts; an owner signs it later."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            raise Unauthenticated("expected the header Authorization: Bearer TOKEN")
        namespace = parse_name(request.path_params["namespace"], "namespace")
        admitted = await self._staging.admit(namespace, token)  # before a byte of the file is taken
        staged = await self._staging.stage(admitted, await self.gate.read(request))
        title = f"{namespace}/{staged.bundle.manifest.title}"
        measurement = staged.bundle.measurement.hex()
        value = shapes.Staged(meta=META, digest=staged.digest.hex(), ref=title, measurement=measurement)
        return answer(value, ACCEPTED)

    async def count(self, request: Request) -> Response:
        """Counts an anchored record, shown by its proof, under the policy of this registry's operator; once."""
        if self._policy is None:
            raise Refused("this registry counts no usage: its operator names a policy with `serve --policy`")
        data = await self.gate.read(request)
        verified = await asyncio.to_thread(verify, data, self._policy, load_kind)
        record = verified.proof.record
        item = self._registry.book.listing(record.measurement)
        ledger = f"{verified.ledger} {record.destination.hex()}"
        await self._registry.count(Digest(record.intent), record.measurement, ledger)
        return answer(shapes.Counted(meta=META, ref=item.ref, ledger=verified.ledger))

    def _found(self, item: Listing) -> shapes.Found:
        return {
            "ref": item.ref,
            "description": self._registry.catalogue.description(item.measurement),
            "measurement": item.measurement.hex(),
            "state": item.now.state,
        }

    async def _waiting(self, request: Request) -> Pending:
        digest = Digest(parse_word(request.path_params["digest"], "digest"))
        found = await self._registry.store.pending(digest)
        if not found:
            raise NotFound(f"nothing named {digest.hex()} waits: it is logged, forgotten after a week, or never came")
        return found[0]


def _page(request: Request) -> int:
    """Returns which page is asked for; anything that is no number is the first."""
    page = request.query_params.get("page", "1")
    return max(int(page), 1) if page.isascii() and page.isdecimal() and len(page) < _PAGE_DIGITS else 1


def _part(page: int) -> slice:
    return slice((page - 1) * PAGE, page * PAGE)


def _outcome(outcome: Outcome) -> Response:
    value = shapes.Outcome(
        meta=META,
        digest=outcome.digest.hex(),
        position=outcome.position,
        lacks=outcome.lacks,
        wheel=None if outcome.wheel is None else outcome.wheel.hex(),
    )
    return answer(value, 200 if outcome.position is not None else ACCEPTED)


def _listed(book: Book, item: Listing) -> shapes.Listed:
    return {
        "version": item.publication.version,
        "kind": item.publication.kind,
        "measurement": item.measurement.hex(),
        "publisher": item.publication.signature.key.hex(),
        "size": item.size,
        "wheel": item.publication.wheel.hex(),
        "logged": item.logged,
        "position": item.position,
        "state": item.now.state,
        "reason": item.now.reason,
        "since": item.now.since,
        "rebuilds": [*book.rebuilders(item)],
    }


def _item(item: Pending) -> shapes.Item:
    return {
        "digest": item.digest.hex(),
        "kind": item.kind,
        "namespace": item.namespace,
        "body": cast("Entry | shapes.Brought", canonical.decode(item.body)),  # the store keeps nothing else
        "wheel": None if item.wheel is None else item.wheel.hex(),
        "created": item.created,
    }
