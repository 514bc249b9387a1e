"""Publishers: the view of a namespace: whose keys counted when, and what it did in the log."""

from collections.abc import Callable, Iterable
from typing import Final

from fabric.trust.standing import State
from registry.book.accounts import parse_link
from registry.book.bodies import Claim, Compromise, Owners, Release, Service
from registry.book.book import Book, Holding
from registry.book.entry import ROOT, Leaf
from registry.house.registry import Registry
from registry.pages.views import AccountView, KeyView, Listing, LogEntry, NamespaceView

HISTORY: Final = 50
"""How many entries of a namespace its page shows."""
_VERIFIED: Final = "The registry's operators approved who claimed it, with keys that its server does not hold."
_OWN: Final = "The registry's own: its keys approve namespaces, quarantine, and, enough of them together, revoke."
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


def publisher_view(
    registry: Registry, leaf: Callable[[int], Leaf], namespace: str, listings: tuple[Listing, ...]
) -> NamespaceView:
    """Returns a namespace that is claimed.

    Args:
        registry: whose it is.
        leaf: reads the leaf at a position.
        namespace: its name.
        listings: what it publishes.
    """
    holding, positions = registry.book.holdings[namespace], registry.positions(namespace)
    shown = positions[: -HISTORY - 1 : -1]
    return NamespaceView(
        namespace=namespace,
        verified=_OWN if namespace == ROOT else _VERIFIED,
        since=leaf(holding.claimed).logged,
        keys=tuple(_keys(holding, leaf)),
        accounts=tuple(_accounts(holding, leaf)),
        listings=listings,
        history=tuple(_entry(registry.book, leaf(at), at) for at in shown),
        history_total=len(positions),
    )


def _keys(holding: Holding, leaf: Callable[[int], Leaf]) -> Iterable[KeyView]:
    """Yields every key that ever owned a namespace, those in force first."""
    began: dict[bytes, tuple[int, int]] = {}
    ended: dict[bytes, int] = {}
    present: set[bytes] = set()
    for position in [*holding.history]:
        entry = leaf(position)
        owners = _owners_after(entry, present)
        for key in owners - present:
            began.setdefault(key, (entry.logged, position))
            ended.pop(key, None)
        ended |= dict.fromkeys(present - owners, entry.logged)
        present = owners
    for key in sorted(began, key=lambda each: (each in ended, began[each])):
        since, position = began[key]
        yield KeyView(key.hex(), since, position, ended.get(key), holding.lost.get(key))


def _accounts(holding: Holding, leaf: Callable[[int], Leaf]) -> Iterable[AccountView]:
    for position, link in sorted(dict(holding.links).items()):
        signed, logged = parse_link(link.document), leaf(position).logged
        msp = signed.identity.msp if signed.identity else ""
        yield AccountView(signed.account, logged, position, holding.was_lost(signed.key, logged), msp)


def _owners_after(leaf: Leaf, before: set[bytes]) -> set[bytes]:
    body = leaf.entry.body
    if isinstance(body, Compromise):
        return before - {body.key}
    owners = body.owners if isinstance(body, Claim) else body
    return set(owners.keys) if isinstance(owners, Owners) else before


def _entry(book: Book, leaf: Leaf, position: int) -> LogEntry:
    return LogEntry(position, leaf.logged, _WHAT[leaf.entry.kind], _subject(book, leaf))


def _subject(book: Book, leaf: Leaf) -> str:
    body = leaf.entry.body
    if isinstance(body, Release):
        return f"{body.publication.name}@{body.publication.version}"
    if isinstance(body, Service):
        return f"{body.name}@{body.version}"
    measurement = getattr(body, "measurement", None)
    item = book.listings.get(measurement) if measurement else None
    state = getattr(body, "state", None)
    return f"{item.ref if item else ''}{f' to {state}' if isinstance(state, State) else ''}"
