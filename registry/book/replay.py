"""Replay: leaves of a log into a book, all of them or those about one namespace."""

from collections.abc import Iterable

from fabric.core.errors import Refused
from registry.book.book import Book
from registry.book.effects import carry_out
from registry.book.entry import Leaf
from registry.book.rules import check


def apply(book: Book, leaf: Leaf) -> None:
    """Takes in the log's next leaf.

    Raises:
        Malformed, Refused, NotFound: the rules forbid it; nothing has changed.
    """
    if leaf.logged < book.logged:
        raise Refused(f"leaf {book.size}: logged at {leaf.logged}, the one before it at {book.logged}")
    check(book, leaf.entry)
    carry_out(book, leaf)
    book.size += 1
    book.logged = leaf.logged


def replay(origin: str, leaves: Iterable[Leaf]) -> Book:
    """Returns the book of a log's first leaves; raises as ``apply``."""
    book = Book(origin)
    for leaf in leaves:
        apply(book, leaf)
    return book


def replay_some(origin: str, leaves: Iterable[tuple[int, Leaf]]) -> Book:
    """Returns what some leaves of a log say, by their positions: gaps between them are passed over.

    The rules hold for each of them as if nothing stood in the gaps; that none is kept back is for whoever gives them
    to show.

    Raises:
        Malformed, Refused, NotFound: the rules forbid one of them.
    """
    book = Book(origin)
    for position, leaf in sorted(leaves, key=lambda item: item[0]):
        if position < book.size:
            raise Refused(f"two leaves at position {position}")
        book.size = position
        holding = book.holdings.get(leaf.entry.namespace)
        if holding is not None:
            holding.sequence = max(holding.sequence, leaf.entry.sequence)
        apply(book, leaf)
    return book
