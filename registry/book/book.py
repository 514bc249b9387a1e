"""Book: what the log says, entry by entry. Whoever has the log has the same book (docs/spec/registry.md, section 3).

``registry.book.replay`` takes leaves in. The registry, its clients and its auditors run the same code: a registry that
takes in what the rules forbid is found out.
"""

from dataclasses import dataclass, field
from typing import Final

from fabric.core.errors import NotFound
from fabric.core.ids import Measurement
from fabric.core.plugins import nearest
from fabric.trust.publication import Publication
from fabric.trust.standing import BINDS, State
from registry.book.bodies import Link, Owners, Service
from registry.book.entry import ROOT, Entry
from registry.book.words import rank


@dataclass(frozen=True)
class Turn:
    """A state that a bundle took, where in the log, and when, Unix seconds."""

    state: State
    reason: str
    position: int
    since: int


@dataclass(frozen=True)
class Vouch:
    """A namespace's word that it built a bundle again.

    Attributes:
        position: of the entry.
        logged: when it was taken in, Unix seconds.
        keys: the owners' keys that signed it.
    """

    position: int
    logged: int
    keys: frozenset[bytes]


@dataclass
class Listing:
    """A published bundle.

    Attributes:
        namespace: whose it is.
        publication: the publisher's word.
        size: of the wheel file, bytes.
        signers: the owners' keys that signed the release.
        provenance: who staged it, if a token did.
        turns: every state it took, the first one at its release.
        rebuilds: by which namespace it was built again; ``Book.rebuilders`` says whose word counts.
    """

    namespace: str
    publication: Publication
    size: int
    signers: frozenset[bytes]
    provenance: dict[str, str]
    turns: list[Turn]
    rebuilds: dict[str, Vouch] = field(default_factory=dict)

    @property
    def measurement(self) -> Measurement:
        """The bundle."""
        return self.publication.measurement

    @property
    def ref(self) -> str:
        """``namespace/name@version``."""
        return f"{self.namespace}/{self.publication.name}@{self.publication.version}"

    @property
    def position(self) -> int:
        """Of the release in the log."""
        return self.turns[0].position

    @property
    def logged(self) -> int:
        """When the release was taken in, Unix seconds."""
        return self.turns[0].since

    @property
    def now(self) -> Turn:
        """Its present state."""
        return self.turns[-1]


@dataclass
class Holding:
    """A namespace.

    Attributes:
        owners: who owns it now.
        claimed: position of its claim.
        sequence: how many entries it has.
        history: positions of the entries that say who owns it.
        lost: keys that are in wrong hands, and since when.
        names: measurement by version by name.
        links: accounts of its keys, by the entry's position.
        services: data services by name and version.
    """

    owners: Owners
    claimed: int
    sequence: int = 0
    history: list[int] = field(default_factory=list)
    lost: dict[bytes, int] = field(default_factory=dict)
    names: dict[str, dict[str, Measurement]] = field(default_factory=dict)
    links: dict[int, Link] = field(default_factory=dict)
    services: dict[tuple[str, str], Service] = field(default_factory=dict)

    def was_lost(self, key: bytes, logged: int) -> bool:
        """Says whether a key was in wrong hands, as this namespace says, when an entry of its own was taken in."""
        since = self.lost.get(key)
        return since is not None and since <= logged


class Book:
    """The state of a log.

    Attributes:
        origin: of the log.
        size: how many leaves were taken in.
        logged: time of the newest, Unix seconds.
        holdings: namespaces by name.
        listings: bundles by measurement.
    """

    def __init__(self, origin: str) -> None:
        """Opens an empty book."""
        self.origin: Final = origin
        self.size = 0
        self.logged = 0
        self.holdings: dict[str, Holding] = {}
        self.listings: dict[Measurement, Listing] = {}

    def holding(self, namespace: str) -> Holding:
        """Returns a namespace; raises ``NotFound`` and names the nearest."""
        found = self.holdings.get(namespace)
        if found is None:
            known = nearest(namespace, sorted(self.holdings))
            raise NotFound(f"nobody has claimed the namespace {namespace!r} in {self.origin}{known}")
        return found

    def listing(self, measurement: Measurement) -> Listing:
        """Returns a bundle; raises ``NotFound``."""
        found = self.listings.get(measurement)
        if found is None:
            raise NotFound(f"no bundle of measurement {measurement.hex()} in {self.origin}")
        return found

    def rebuilders(self, item: Listing) -> tuple[str, ...]:
        """Returns the namespaces whose rebuild of a bundle counts, in the order of their names.

        One does not where every owner's key that signed it was in wrong hands by then: it is a thief's word.
        """
        return tuple(sorted(name for name, vouch in [*item.rebuilds.items()] if self.sound_keys(name, vouch)))

    def sound_keys(self, namespace: str, vouch: Vouch) -> frozenset[bytes]:
        """Returns the keys under a namespace's word that were in its own hands by then."""
        holding = self.holding(namespace)
        return frozenset(key for key in vouch.keys if not holding.was_lost(key, vouch.logged))

    def find(self, namespace: str, name: str, version: str | None = None) -> Listing:
        """Returns what a name stands for; without a version the newest that may be bound.

        Raises:
            NotFound: no such namespace, name or version; names the nearest.
        """
        names = self.holding(namespace).names
        if name not in names:
            raise NotFound(f"no cryptlet {namespace}/{name} in {self.origin}{nearest(name, sorted(names))}")
        versions = names[name]
        wanted = version or self._newest(versions)
        if wanted not in versions:
            known = nearest(wanted, sorted(versions, key=rank))
            raise NotFound(f"no version {wanted!r} of {namespace}/{name}{known}")
        return self.listings[versions[wanted]]

    def _newest(self, versions: dict[str, Measurement]) -> str:
        """Prefers what may be bound, since a yanked version is none to fall upon by chance."""
        bindable = [key for key, value in versions.items() if self.listings[value].now.state in BINDS]
        return max(bindable or versions, key=rank)

    def is_next(self, entry: Entry) -> bool:
        """Says whether the entry has its namespace's next number."""
        holding = self.holdings.get(entry.namespace)
        return entry.sequence == (holding.sequence if holding else 0)

    def authorities(self) -> Owners:
        """Returns the registry's own keys."""
        root = self.holdings.get(ROOT)
        return root.owners if root else Owners((), 0)
