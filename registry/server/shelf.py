"""The shelf: what the pages show, read from the registry's book, wheels and usage."""

import difflib
import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.core import canonical
from fabric.core.errors import NotFound
from fabric.trust.standing import BINDS, State
from registry.book.bodies import Owners, Release, Service
from registry.book.book import Holding, Turn
from registry.book.book import Listing as Listed
from registry.book.entry import Leaf, decode_leaf
from registry.book.words import rank
from registry.data_service import DataService, read_data_service
from registry.house.registry import Registry
from registry.pages.views import (
    AccountView,
    CryptletView,
    DataTerms,
    FrontView,
    KeyView,
    Listing,
    LogEntry,
    NamespaceView,
    Rebuild,
    ReleaseView,
    Results,
    StandingView,
    Usage,
    VersionRow,
)
from registry.records import wheel_path
from registry.terms import HardwareTerms, Terms, terms_of_bundle

PAGE: Final = 20
FRONT: Final = 8
HISTORY: Final = 50
_CACHED: Final = 512
_WHAT: Final = {
    "claim": "claimed the namespace",
    "owners": "changed its owners",
    "release": "published",
    "change": "changed the state of",
    "compromise": "lost a key",
    "rebuild": "vouched for",
    "link": "linked an account",
    "service": "listed",
}


class BookShelf:
    """A ``registry.pages.views.Shelf`` over a registry."""

    def __init__(self, registry: Registry) -> None:
        """Takes the registry; wheels are read when a page needs them."""
        self._registry = registry
        self._bundles: OrderedDict[bytes, Bundle] = OrderedDict()

    def front(self) -> FrontView:
        """Returns what the first page shows."""
        book, items = self._registry.book, self._registry.catalogue.newest()
        services = [item for namespace in book.holdings for item in self._service_listings(namespace)]
        latest = sorted(items, key=lambda item: -item.logged)[:FRONT]
        newest = sorted([*map(self._listing, latest), *services], key=lambda item: -item.logged)
        used = sorted(((self._records(item), item) for item in items), key=lambda pair: -pair[0])[:FRONT]
        return FrontView(
            newest=tuple(newest[:FRONT]),
            most_used=tuple(self._listing(item) for count, item in used if count),
            cryptlets=len(items) + len(services),
            releases=len(book.listings),
            namespaces=len(book.holdings) - 1,
            records=sum(sum(counts.values()) for counts in self._registry.usage.values()),
            log_origin=book.origin,
            log_size=book.size,
        )

    def search(self, query: str, page: int) -> Results:
        """Returns a page of results."""
        items = self._registry.catalogue.search(query)
        start = (page - 1) * PAGE
        found = tuple(self._listing(item) for item in items[start : start + PAGE])
        similar = () if items else self._similar(query)
        return Results(page, -(-len(items) // PAGE), len(items), found, similar)

    def cryptlet(self, namespace: str, name: str) -> CryptletView | None:
        """Returns a cryptlet; None where there is none of that name."""
        items = self._versions(namespace, name)
        if not items:
            return self._service_name(namespace, name)
        shown = next((item for item in items if item.now.state in BINDS), None)
        bundle = self._bundle(shown or items[0])
        terms = terms_of_bundle(bundle)
        return CryptletView(
            namespace=namespace,
            name=name,
            kind=terms.kind,
            description=bundle.manifest.project.cryptlet.description,
            newest=_row(shown) if shown else None,
            versions=tuple(map(_row, items)),
            readme=bundle.readme or "",
            price=terms.price,
            licence=terms.licence,
            usage=self._usage(items),
        )

    def release(self, namespace: str, name: str, version: str) -> ReleaseView | None:
        """Returns one release, whatever its state; None where there is none."""
        items = self._versions(namespace, name)
        item = next((each for each in items if each.publication.version == version), None)
        if item is None:
            return self._service(namespace, name, version)
        bundle = self._bundle(item)
        versions = tuple(each.publication.version for each in items)
        older = [each for each in versions if rank(each) < rank(version)]
        return ReleaseView(
            namespace=namespace,
            name=name,
            version=version,
            description=bundle.manifest.project.cryptlet.description,
            standing=_standing(item.now),
            measurement=item.measurement,
            position=item.position,
            logged=item.logged,
            publisher=item.publication.signature.key.hex(),
            terms=terms_of_bundle(bundle),
            rebuilds=tuple(self._rebuild(item, who, at) for who, at in sorted(item.rebuilds.items())),
            usage=self._usage([item]),
            versions=versions,
            previous=older[0] if older else None,
            readme=bundle.readme or "",
        )

    def publisher(self, namespace: str) -> NamespaceView | None:
        """Returns a namespace; None where nobody has it."""
        holding = self._registry.book.holdings.get(namespace)
        if holding is None:
            return None
        history = self._history(namespace)
        return NamespaceView(
            namespace=namespace,
            verified="The registry's operators approved who claimed it, with keys that its server does not hold.",
            since=self._leaf(holding.claimed).logged,
            keys=tuple(self._keys(holding)),
            accounts=tuple(
                AccountView(str(link.document.get("account", "")), self._leaf(at).logged, at)
                for at, link in sorted(holding.links.items())
            ),
            listings=tuple(
                [self._listing(item) for item in self._registry.catalogue.newest() if item.namespace == namespace]
                + self._service_listings(namespace)
            ),
            history=tuple(history[:HISTORY]),
            history_total=len(history),
        )

    def _versions(self, namespace: str, name: str) -> list[Listed]:
        """Returns the releases of a name, newest first."""
        book = self._registry.book
        holding = book.holdings.get(namespace)
        versions = holding.names.get(name, {}) if holding else {}
        return [book.listings[versions[version]] for version in sorted(versions, key=rank, reverse=True)]

    def _service_listings(self, namespace: str) -> list[Listing]:
        holding = self._registry.book.holdings[namespace]
        if not holding.services:
            return []
        newest = _newest_services(self._leaves_of(namespace))
        return [self._service_listing(namespace, service, at) for at, service in newest]

    def _records(self, item: Listed) -> int:
        """Returns how many anchored records of all releases of a name were shown."""
        versions = self._registry.book.holdings[item.namespace].names[item.publication.name].values()
        return sum(sum(self._registry.usage.get(each, {}).values()) for each in versions)

    def _listing(self, item: Listed) -> Listing:
        publication = item.publication
        return Listing(
            namespace=item.namespace,
            name=publication.name,
            kind=publication.kind,
            description=self._registry.catalogue.description(item.measurement),
            version=publication.version,
            standing=_standing(item.now),
            logged=item.logged,
            price=terms_of_bundle(self._bundle(item)).price,
            records=self._records(item),
        )

    def _usage(self, items: Iterable[Listed]) -> tuple[Usage, ...]:
        counts: dict[str, int] = {}
        for item in items:
            for ledger, number in self._registry.usage.get(item.measurement, {}).items():
                counts[ledger] = counts.get(ledger, 0) + number
        until = self._registry.usage_until
        found = [(ledger.partition(" "), number) for ledger, number in sorted(counts.items())]
        return tuple(Usage(name, destination, number, until) for (name, _, destination), number in found)

    def _rebuild(self, item: Listed, who: str, position: int) -> Rebuild:
        leaf = self._leaf(position)
        key = leaf.entry.signatures[0].key.hex()
        return Rebuild(who, key, item.measurement, leaf.logged, position)

    def _keys(self, holding: Holding) -> Iterable[KeyView]:
        """Yields every key that ever owned a namespace, those in force first."""
        began: dict[bytes, tuple[int, int]] = {}
        ended: dict[bytes, int] = {}
        present: set[bytes] = set()
        for position in holding.history:
            leaf = self._leaf(position)
            owners = _owners_of(leaf, present)
            for key in owners - present:
                began.setdefault(key, (leaf.logged, position))
                ended.pop(key, None)
            ended |= dict.fromkeys(present - owners, leaf.logged)
            present = owners
        for key in sorted(began, key=lambda each: (each in ended, began[each])):
            since, position = began[key]
            yield KeyView(key.hex(), since, position, ended.get(key), holding.lost.get(key))

    def _history(self, namespace: str) -> list[LogEntry]:
        return [
            LogEntry(at, leaf.logged, _WHAT[leaf.entry.kind], self._subject(leaf))
            for at, leaf in reversed(self._leaves_of(namespace))
        ]

    def _subject(self, leaf: Leaf) -> str:
        body = leaf.entry.body
        if isinstance(body, Release):
            return f"{body.publication.name}@{body.publication.version}"
        if isinstance(body, Service):
            return f"{body.name}@{body.version}"
        measurement = getattr(body, "measurement", None)
        item = self._registry.book.listings.get(measurement) if measurement else None
        state = getattr(body, "state", None)
        return f"{item.ref if item else ''}{f' to {state}' if isinstance(state, State) else ''}"

    def _leaves_of(self, namespace: str) -> list[tuple[int, Leaf]]:
        return [(at, self._leaf(at)) for at in self._registry.positions(namespace)]

    def _leaf(self, position: int) -> Leaf:
        return decode_leaf(self._registry.leaves[position])

    def _similar(self, query: str) -> tuple[str, ...]:
        names = [f"{item.namespace}/{item.publication.name}" for item in self._registry.catalogue.newest()]
        return tuple(difflib.get_close_matches(query.casefold(), names, 5, 0.5))

    def _bundle(self, item: Listed) -> Bundle:
        """Returns a bundle; the last few hundred stay in memory."""
        known = self._bundles.get(item.measurement)
        if known is None:
            data = self._registry.publisher.shelf.read(wheel_path(item.publication.wheel))
            if data is None:
                raise NotFound(f"the wheel of {item.ref} is not here; mirrors of this registry may have it")
            known = self._bundles[item.measurement] = read_bundle(data)
            if len(self._bundles) > _CACHED:
                self._bundles.popitem(last=False)
        return known

    def _service_name(self, namespace: str, name: str) -> CryptletView | None:
        found = self._services(namespace, name)
        if not found:
            return None
        rows = tuple(self._service_row(service, at) for at, service in found)
        newest = _read_service(found[0][1])
        return CryptletView(
            namespace=namespace,
            name=name,
            kind="data",
            description=newest.description,
            newest=rows[0],
            versions=rows,
            readme=newest.readme or "",
            price=None,
            licence=newest.licence or "",
            usage=(),
        )

    def _service(self, namespace: str, name: str, version: str) -> ReleaseView | None:
        found = self._services(namespace, name)
        at, service = next(((at, item) for at, item in found if item.version == version), (0, None))
        if service is None:
            return None
        data, row = _read_service(service), self._service_row(service, at)
        versions = tuple(item.version for _, item in found)
        older = [each for each in versions if rank(each) < rank(version)]
        sample = json.dumps(data.sample, indent=2, ensure_ascii=False)
        terms = Terms("data", (), HardwareTerms(), None, "none", data.licence or "", (), ())
        return ReleaseView(
            namespace=namespace,
            name=name,
            version=version,
            description=data.description,
            standing=row.standing,
            measurement=row.measurement,
            position=at,
            logged=row.logged,
            publisher=self._leaf(at).entry.signatures[0].key.hex(),
            terms=terms,
            rebuilds=(),
            usage=(),
            versions=versions,
            previous=older[0] if older else None,
            readme=data.readme or "",
            data=DataTerms(data.schema, data.freshness_seconds, data.source.text, sample),
        )

    def _services(self, namespace: str, name: str) -> list[tuple[int, Service]]:
        """Returns the versions of a data service with their positions, newest first."""
        found = [
            (at, leaf.entry.body)
            for at, leaf in self._leaves_of(namespace)
            if isinstance(leaf.entry.body, Service) and leaf.entry.body.name == name
        ]
        return sorted(found, key=lambda item: rank(item[1].version), reverse=True)

    def _service_row(self, service: Service, at: int) -> VersionRow:
        logged = self._leaf(at).logged
        standing = StandingView(State.ACTIVE, "", logged, at)
        return VersionRow(service.version, standing, _read_service(service).measurement, logged, at)

    def _service_listing(self, namespace: str, service: Service, at: int) -> Listing:
        row, data = self._service_row(service, at), _read_service(service)
        return Listing(
            namespace, service.name, "data", data.description, service.version, row.standing, row.logged, None, 0
        )


def _row(item: Listed) -> VersionRow:
    return VersionRow(item.publication.version, _standing(item.now), item.measurement, item.logged, item.position)


def _standing(turn: Turn) -> StandingView:
    return StandingView(turn.state, turn.reason, turn.since, turn.position)


def _owners_of(leaf: Leaf, before: set[bytes]) -> set[bytes]:
    body = leaf.entry.body
    owners = body if isinstance(body, Owners) else getattr(body, "owners", None)
    if isinstance(owners, Owners):
        return set(owners.keys)
    return before - {getattr(body, "key", b"")}


def _newest_services(leaves: list[tuple[int, Leaf]]) -> list[tuple[int, Service]]:
    newest: dict[str, tuple[int, Service]] = {}
    for at, leaf in leaves:
        body = leaf.entry.body
        if not isinstance(body, Service):
            continue
        known = newest.get(body.name)
        if known is None or rank(known[1].version) < rank(body.version):
            newest[body.name] = (at, body)
    return list(newest.values())


def _read_service(service: Service) -> DataService:
    return read_data_service(canonical.encode(service.document))
