"""Catalogue: what bundles say of themselves, for search; read from their wheels once and kept in memory."""

from collections.abc import Callable, Mapping
from typing import Final

from fabric.core.ids import Measurement
from registry.book.book import Book, Listing
from registry.book.words import rank

_EXACT, _START, _NAME, _WORD = 8, 4, 2, 1
_FOUND: Final = frozenset(("active", "deprecated", "yanked"))


class Catalogue:
    """Searches the newest release of every name; descriptions come by measurement."""

    def __init__(self, book: Callable[[], Book], descriptions: Mapping[Measurement, str]) -> None:
        """Takes where the book is, and descriptions by measurement, both of which grow."""
        self._book = book
        self._descriptions = descriptions

    def description(self, measurement: Measurement) -> str:
        """Returns a bundle's one line; empty where its wheel could not be read."""
        return self._descriptions.get(measurement, "")

    def search(self, query: str) -> list[Listing]:
        """Returns the newest release of each cryptlet that has every word of the query, best first."""
        found = sorted(self.scored(query), key=lambda entry: (-entry[0], -entry[1].logged, entry[1].ref))
        return [item for _, item in found]

    def scored(self, query: str) -> list[tuple[int, Listing]]:
        """Returns the newest release of each cryptlet that has every word of the query, with its points."""
        words = query.casefold().split()
        scored = [
            (score(words, item.namespace, item.publication.name, self.description(item.measurement)), item)
            for item in self.newest()
        ]
        return [entry for entry in scored if entry[0] > 0]

    def newest(self) -> list[Listing]:
        """Returns the newest release of each cryptlet; one that was taken away stands behind those that were not."""
        book = self._book()
        # Copies, made in one step each: another thread may just be taking in an entry.
        return [
            max((book.listings[item] for item in [*versions.values()]), key=_order)
            for holding in [*book.holdings.values()]
            for versions in [*holding.names.values()]
        ]


def score(words: list[str], namespace: str, name: str, text: str) -> int:
    """Returns how well a name and its description answer a search; 0 where a word, in lower case, is in neither."""
    points = [_points(word, namespace, name, text.casefold()) for word in words]
    return 1 + sum(points) if all(points) else 0


def _points(word: str, namespace: str, name: str, text: str) -> int:
    if word in {name, f"{namespace}/{name}"}:
        return _EXACT
    if name.startswith(word):
        return _START
    if word in name or word == namespace:
        return _NAME
    return _WORD if word in text else 0


def _order(item: Listing) -> tuple[bool, object]:
    return item.now.state.value in _FOUND, rank(item.publication.version)
