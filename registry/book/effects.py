"""Effects: what a leaf that the rules allow does to a book. Nothing here can fail."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from fabric.core.ids import Measurement
from fabric.trust.standing import State
from registry.book.bodies import Change, Claim, Compromise, Link, Owners, Rebuild, Release, Service
from registry.book.book import Book, Holding, Listing, Turn, Vouch
from registry.book.entry import Leaf


def carry_out(book: Book, leaf: Leaf) -> None:
    """Takes in a leaf that the rules allow."""
    entry = leaf.entry
    _EFFECTS[type(entry.body)](book, leaf, entry.body)
    book.holdings[entry.namespace].sequence += 1


def _claim(book: Book, leaf: Leaf, body: Claim) -> None:
    book.holdings[leaf.entry.namespace] = Holding(body.owners, book.size, history=[book.size])


def _owners(book: Book, leaf: Leaf, body: Owners) -> None:
    holding = book.holdings[leaf.entry.namespace]
    holding.owners = body
    holding.history.append(book.size)


def _release(book: Book, leaf: Leaf, body: Release) -> None:
    holding = book.holdings[leaf.entry.namespace]
    publication = body.publication
    signers = (leaf.entry.signers() | {publication.signature.key}) & set(holding.owners.keys)
    active = Turn(State.ACTIVE, "", book.size, leaf.logged)
    book.listings[publication.measurement] = Listing(
        leaf.entry.namespace, publication, body.size, signers, dict(body.provenance), [active]
    )
    holding.names.setdefault(publication.name, {})[publication.version] = publication.measurement


def _change(book: Book, leaf: Leaf, body: Change) -> None:
    _turn(book, leaf, body.measurement, body.state, body.reason)


def _compromise(book: Book, leaf: Leaf, body: Compromise) -> None:
    """Takes the key from the owners, and revokes what was logged under it since."""
    holding = book.holdings[leaf.entry.namespace]
    holding.lost[body.key] = body.since
    left = tuple(key for key in holding.owners.keys if key != body.key)
    holding.owners = replace(holding.owners, keys=left, threshold=min(holding.owners.threshold, len(left)))
    holding.history.append(book.size)
    reason = f"signed by key {body.key.hex()[:16]}..., which is in wrong hands since {body.since}"
    for measurement in revoked_by(book, leaf.entry.namespace, body):
        _turn(book, leaf, measurement, State.REVOKED, reason)


def revoked_by(book: Book, namespace: str, body: Compromise) -> list[Measurement]:
    """Returns the bundles that a lost key ends: those it signed for, logged since it was lost, not yet revoked."""
    return [
        item.measurement
        for versions in book.holdings[namespace].names.values()
        for item in (book.listings[measurement] for measurement in versions.values())
        if body.key in item.signers and item.logged >= body.since and item.now.state is not State.REVOKED
    ]


def _rebuild(book: Book, leaf: Leaf, body: Rebuild) -> None:
    namespace = leaf.entry.namespace
    keys = leaf.entry.signers() & set(book.holdings[namespace].owners.keys)
    book.listings[body.measurement].rebuilds[namespace] = Vouch(book.size, leaf.logged, keys)


def _link(book: Book, leaf: Leaf, body: Link) -> None:
    book.holdings[leaf.entry.namespace].links[book.size] = body


def _service(book: Book, leaf: Leaf, body: Service) -> None:
    book.holdings[leaf.entry.namespace].services[body.name, body.version] = body


def _turn(book: Book, leaf: Leaf, measurement: Measurement, state: State, reason: str) -> None:
    book.listings[measurement].turns.append(Turn(state, reason, book.size, leaf.logged))


_EFFECTS: Final[Mapping[type, Callable[[Book, Leaf, Any], None]]] = {
    Claim: _claim,
    Owners: _owners,
    Release: _release,
    Change: _change,
    Compromise: _compromise,
    Rebuild: _rebuild,
    Link: _link,
    Service: _service,
}
