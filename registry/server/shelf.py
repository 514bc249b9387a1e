"""The shelf: what the pages show, read from the registry's book, log, wheels and usage.

Pages ask from threads while entries are taken in: what grows is copied before it is gone through.
"""

import difflib
from collections.abc import Iterable
from typing import Final

from fabric.core.errors import FabricError
from fabric.trust.standing import BINDS
from registry.book.book import Listing as Listed
from registry.book.book import Turn
from registry.book.entry import ROOT, Leaf, decode_leaf
from registry.book.words import rank
from registry.house.catalogue import score
from registry.house.registry import Registry
from registry.pages.views import (
    CryptletView,
    FrontView,
    Listing,
    NamespaceView,
    Rebuild,
    ReleaseView,
    Results,
    StandingView,
    Usage,
    VersionRow,
)
from registry.server import offers
from registry.server.publishers import publisher_view
from registry.server.services import Offer, Services
from registry.server.wheels import Wheels
from registry.terms import Terms

PAGE: Final = 20
FRONT: Final = 8
_NEAR: Final = 0.5
_SIMILAR: Final = 5


class BookShelf:
    """A ``registry.pages.views.Shelf`` over a registry. Any thread may ask."""

    def __init__(self, registry: Registry) -> None:
        """Takes the registry; wheels are read when a page needs them."""
        self._registry = registry
        self._wheels = Wheels(registry.publisher.shelf)
        self._services = Services(registry.positions, self._leaf)

    def front(self) -> FrontView:
        """Returns what the first page shows."""
        book, items = self._registry.book, self._registry.catalogue.newest()
        found: list[Listed | Offer] = [*items, *self._all_offers()]
        used = sorted(((self._records(item), item) for item in items), key=lambda pair: -pair[0])[:FRONT]
        return FrontView(
            newest=tuple(map(self._shown, sorted(found, key=lambda item: -item.logged)[:FRONT])),
            most_used=tuple(self._listing(item) for count, item in used if count),
            cryptlets=len(found),
            releases=len(book.listings),
            namespaces=len(book.holdings.keys() - {ROOT}),
            records=sum(sum(counts.values()) for counts in self._registry.usage.values()),
            log_origin=book.origin,
            log_size=book.size,
        )

    def search(self, query: str, page: int) -> Results:
        """Returns a page of results."""
        found = self._found(query)
        start = (page - 1) * PAGE
        shown = tuple(map(self._shown, found[start : start + PAGE]))
        return Results(page, -(-len(found) // PAGE), len(found), shown, () if found else self._similar(query))

    def cryptlet(self, namespace: str, name: str) -> CryptletView | None:
        """Returns a cryptlet or data service; None where there is none of that name. Raises ``StoreError``."""
        items = self._versions(namespace, name)
        if not items:
            return offers.cryptlet_view(self._services.of(namespace).get(name, []))
        bindable = next((item for item in items if item.now.state in BINDS), None)
        told = self._wheels.tell(bindable or items[0])
        return CryptletView(
            namespace=namespace,
            name=name,
            kind=told.terms.kind,
            description=told.description,
            newest=_row(bindable) if bindable else None,
            versions=tuple(map(_row, items)),
            readme=told.readme,
            price=told.terms.price,
            licence=told.terms.licence,
            usage=self._usage(items),
        )

    def release(self, namespace: str, name: str, version: str) -> ReleaseView | None:
        """Returns one release, whatever its state; None where there is none. Raises ``StoreError``."""
        items = self._versions(namespace, name)
        if not items:
            return offers.release_view(self._services.of(namespace).get(name, []), version)
        at = next((at for at, each in enumerate(items) if each.publication.version == version), None)
        return None if at is None else self._release(items, at)

    def publisher(self, namespace: str) -> NamespaceView | None:
        """Returns a namespace; None where nobody has it."""
        if namespace not in self._registry.book.holdings:
            return None
        items: list[Listed | Offer] = [
            *(item for item in self._registry.catalogue.newest() if item.namespace == namespace),
            *self._services.newest(namespace),
        ]
        return publisher_view(self._registry, self._leaf, namespace, tuple(map(self._shown, items)))

    def _release(self, items: list[Listed], at: int) -> ReleaseView:
        item, versions = items[at], tuple(each.publication.version for each in items)
        told = self._wheels.tell(item)
        return ReleaseView(
            namespace=item.namespace,
            name=item.publication.name,
            version=item.publication.version,
            description=told.description,
            standing=_standing(item.now),
            measurement=item.measurement,
            position=item.position,
            logged=item.logged,
            publisher=item.publication.signature.key.hex(),
            terms=told.terms,
            rebuilds=tuple(self._rebuilds(item)),
            usage=self._usage([item]),
            versions=versions,
            previous=next(iter(versions[at + 1 :]), None),
            readme=told.readme,
        )

    def _versions(self, namespace: str, name: str) -> list[Listed]:
        """Returns the releases of a name, newest first."""
        book = self._registry.book
        holding = book.holdings.get(namespace)
        versions = dict(holding.names.get(name, {})) if holding else {}
        return [book.listings[versions[version]] for version in sorted(versions, key=rank, reverse=True)]

    def _all_offers(self) -> list[Offer]:
        return [offer for namespace in [*self._registry.book.holdings] for offer in self._services.newest(namespace)]

    def _found(self, query: str) -> list[Listed | Offer]:
        """Returns the newest of every name that has each word of a query, best first."""
        words = query.casefold().split()
        scored: list[tuple[int, Listed | Offer]] = [*self._registry.catalogue.scored(query)]
        scored += [
            (score(words, offer.namespace, offer.data.name, offer.data.description), offer)
            for offer in self._all_offers()
        ]
        return [item for points, item in sorted(scored, key=_order) if points]

    def _similar(self, query: str) -> tuple[str, ...]:
        items: list[Listed | Offer] = [*self._registry.catalogue.newest(), *self._all_offers()]
        names = {_name(item) for item in items}
        by_last = {name.partition("/")[2]: name for name in sorted(names)}
        near = difflib.get_close_matches(query.casefold(), sorted(names | by_last.keys()), _SIMILAR, _NEAR)
        return tuple(dict.fromkeys(by_last.get(name, name) for name in near))

    def _shown(self, item: Listed | Offer) -> Listing:
        return offers.listing(item) if isinstance(item, Offer) else self._listing(item)

    def _listing(self, item: Listed) -> Listing:
        publication = item.publication
        terms = self._terms(item)
        return Listing(
            namespace=item.namespace,
            name=publication.name,
            kind=publication.kind,
            description=self._registry.catalogue.description(item.measurement),
            version=publication.version,
            standing=_standing(item.now),
            logged=item.logged,
            price=terms.price if terms else None,
            records=self._records(item),
            is_priced=terms is not None,
            capabilities=terms.capabilities if terms else (),
        )

    def _terms(self, item: Listed) -> Terms | None:
        """Returns what a release asks for; None where it is not known: a lost wheel takes no other from a list."""
        try:
            return self._wheels.tell(item).terms
        except FabricError:
            return None  # its own page says why

    def _records(self, item: Listed) -> int:
        """Returns how many anchored records of all releases of a name were shown."""
        versions = self._versions(item.namespace, item.publication.name)
        return sum(sum(self._registry.usage.get(each.measurement, {}).values()) for each in versions)

    def _usage(self, items: Iterable[Listed]) -> tuple[Usage, ...]:
        counts: dict[str, int] = {}
        for item in items:
            for ledger, number in self._registry.usage.get(item.measurement, {}).items():
                counts[ledger] = counts.get(ledger, 0) + number
        until = self._registry.usage_until
        found = [(ledger.partition(" "), number) for ledger, number in sorted(counts.items())]
        return tuple(Usage(name, destination, number, until) for (name, _, destination), number in found)

    def _rebuilds(self, item: Listed) -> Iterable[Rebuild]:
        """Yields what each publisher said who rebuilt anything here: first those who spoke of this release."""
        book, said = self._registry.book, dict(item.rebuilds)
        for who, vouch in sorted(said.items()):
            sound = book.sound_keys(who, vouch)
            key = min(sound or vouch.keys).hex()
            yield Rebuild(who, key, item.measurement, vouch.logged, vouch.position, is_stolen=not sound)
        everybody = {who for each in [*book.listings.values()] for who in [*each.rebuilds]}
        yield from (Rebuild(who, "", None) for who in sorted(everybody - said.keys() - {item.namespace}))

    def _leaf(self, position: int) -> Leaf:
        return decode_leaf(self._registry.leaves[position])


def _order(entry: tuple[int, Listed | Offer]) -> tuple[int, int, str]:
    points, item = entry
    return -points, -item.logged, _name(item)


def _name(item: Listed | Offer) -> str:
    return item.name if isinstance(item, Offer) else f"{item.namespace}/{item.publication.name}"


def _row(item: Listed) -> VersionRow:
    return VersionRow(item.publication.version, _standing(item.now), item.measurement, item.logged, item.position)


def _standing(turn: Turn) -> StandingView:
    return StandingView(turn.state, turn.reason, turn.since, turn.position)
