"""Admission: the registry's own policy above the rules of the log: no name that people take for another's.

It stands outside the log's rules, since what looks alike is a matter of tables that grow (UTS 39).
"""

from fabric.core.errors import Refused
from registry.book.bodies import Claim, Release, Service
from registry.book.book import Book
from registry.book.entry import Entry
from registry.names import Likeness, NameIndex


class NameGuard:
    """Compares new names with those that are there; keeps its index as the book grows."""

    def __init__(self) -> None:
        """Starts with no names."""
        self._namespaces = NameIndex()
        self._names: dict[str, NameIndex] = {}
        self._seen: dict[str, set[str]] = {}

    def __call__(self, book: Book, entry: Entry) -> None:
        """Refuses a claim or a first release under a name that is too like another; raises ``Refused``."""
        self._catch_up(book)
        body = entry.body
        if isinstance(body, Claim):
            self._check_namespace(book, entry.namespace, body)
        elif isinstance(body, Release | Service):
            name = body.publication.name if isinstance(body, Release) else body.name
            self._check_name(entry.namespace, name)

    def _check_namespace(self, book: Book, namespace: str, body: Claim) -> None:
        for clash in self._namespaces.clashes(namespace):
            other = book.holdings.get(clash.existing)
            is_own = other is not None and bool(set(other.owners.keys) & set(body.owners.keys))
            if clash.kind is Likeness.LOOKALIKE or (clash.kind is Likeness.NEAR and not is_own):
                raise Refused(f"the namespace {clash.reason}")

    def _check_name(self, namespace: str, name: str) -> None:
        """Within a namespace all names are one owner's, who may have near ones, but none that look the same."""
        index = self._names.get(namespace)
        clash = index.clash(name) if index is not None else None
        if clash is not None and clash.kind is Likeness.LOOKALIKE:
            raise Refused(f"the name {clash.reason}")

    def _catch_up(self, book: Book) -> None:
        for namespace, holding in book.holdings.items():
            if namespace not in self._seen:
                self._seen[namespace] = set()
                self._namespaces.add(namespace)
            services = {name for name, _ in holding.services}
            new = (set(holding.names) | services) - self._seen[namespace]
            for name in new:
                self._names.setdefault(namespace, NameIndex()).add(name)
            self._seen[namespace] |= new
