"""Services: the data services of a registry, found in its log as that grows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from fabric.core import canonical
from registry.book.bodies import Service
from registry.book.entry import Leaf
from registry.book.words import rank
from registry.data_service import DataService, read_data_service


@dataclass(frozen=True)
class Offer:
    """One version of a data service.

    Attributes:
        namespace: whose it is.
        position: of its entry in the log.
        logged: when, Unix seconds.
        key: that signed the entry.
        data: the data service.
    """

    namespace: str
    position: int
    logged: int
    key: bytes
    data: DataService

    @property
    def name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.data.name}"


class Services:
    """The data services of namespaces; each entry is read once. Any thread may ask."""

    def __init__(self, positions: Callable[[str], list[int]], leaf: Callable[[int], Leaf]) -> None:
        """Takes where a namespace's entries are, and what reads one."""
        self._positions = positions
        self._leaf = leaf
        self._seen: dict[str, int] = {}
        self._offers: dict[str, dict[str, list[Offer]]] = {}
        self._turn = Lock()

    def of(self, namespace: str) -> Mapping[str, list[Offer]]:
        """Returns the data services of a namespace by name, the versions of each newest first."""
        with self._turn:
            found = self._offers.setdefault(namespace, {})
            positions = self._positions(namespace)
            for position in positions[self._seen.get(namespace, 0) :]:
                self._take(found, position)
            self._seen[namespace] = len(positions)
            return {name: [*offers] for name, offers in found.items()}

    def newest(self, namespace: str) -> list[Offer]:
        """Returns the newest version of each data service of a namespace."""
        return [offers[0] for offers in self.of(namespace).values()]

    def _take(self, found: dict[str, list[Offer]], position: int) -> None:
        leaf = self._leaf(position)
        body = leaf.entry.body
        if not isinstance(body, Service):
            return
        data = read_data_service(canonical.encode(body.document))
        offers = found.setdefault(body.name, [])
        offers.append(Offer(leaf.entry.namespace, position, leaf.logged, leaf.entry.signatures[0].key, data))
        offers.sort(key=lambda offer: rank(offer.data.version), reverse=True)
