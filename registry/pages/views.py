"""Views: frozen values that hold all that a page shows, and the port through which the pages ask for them.

Times are Unix seconds; positions are indexes of entries in the registry's log, from 0. Texts of publishers are taken as
they are: the pages escape them, and bound what is long.
"""

from dataclasses import dataclass
from typing import Protocol

from fabric.core.canonical import JsonObject
from fabric.core.ids import Measurement
from fabric.trust.standing import State
from registry.terms import PriceTerms, Terms


@dataclass(frozen=True)
class StandingView:
    """The state of one release.

    Attributes:
        state: its state.
        reason: why; empty where it is active.
        since: when that was logged.
        position: of the entry that says so.
    """

    state: State
    reason: str
    since: int
    position: int


@dataclass(frozen=True)
class VersionRow:
    """One release in a list of versions."""

    version: str
    standing: StandingView
    measurement: Measurement
    logged: int
    position: int


@dataclass(frozen=True)
class Listing:
    """One cryptlet or data service in a list.

    Attributes:
        namespace: whose it is.
        name: its name there.
        kind: ``utility``, ``contract`` or ``data``.
        description: one line.
        version: of its newest release.
        standing: of that release.
        logged: when that release was logged.
        price: of that release; None where it asks for nothing.
        is_priced: whether its price is known: a data service states none, and nor does code without its wheel.
        records: anchored records of all its releases on all ledgers.
        capabilities: what that release asks for, as far as it is known.
    """

    namespace: str
    name: str
    kind: str
    description: str
    version: str
    standing: StandingView
    logged: int
    price: PriceTerms | None
    records: int
    is_priced: bool = True
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """One page of what a search found.

    Attributes:
        page: its number, from 1.
        pages: how many there are; 0 where nothing was found.
        total: how many were found.
        listings: those of this page, best first.
        similar: ``namespace/name`` of what is spelled like the query; for a search that found nothing.
    """

    page: int
    pages: int
    total: int
    listings: tuple[Listing, ...]
    similar: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrontView:
    """What the first page shows.

    Attributes:
        newest: releases logged last.
        most_used: those with the most anchored records.
        cryptlets: how many names there are.
        releases: how many releases.
        namespaces: how many publishers.
        records: how many anchored records were counted.
        log_origin: name of the registry's log.
        log_size: its number of entries.
    """

    newest: tuple[Listing, ...]
    most_used: tuple[Listing, ...]
    cryptlets: int
    releases: int
    namespaces: int
    records: int
    log_origin: str
    log_size: int


@dataclass(frozen=True)
class Usage:
    """Records of a bundle, or of all releases of a name, that are anchored on one ledger.

    Attributes:
        ledger: its name, for people.
        destination: id of the deployment, hexadecimal.
        records: how many.
        counted: until when.
    """

    ledger: str
    destination: str
    records: int
    counted: int


@dataclass(frozen=True)
class CryptletView:
    """All releases of one name.

    Attributes:
        namespace: whose it is.
        name: its name there.
        kind: ``utility``, ``contract`` or ``data``.
        description: of the newest release.
        newest: the newest release that may be bound; None where there is none.
        versions: newest first.
        readme: Markdown of the newest release; empty where it has none.
        price: of the newest release.
        licence: of the newest release; empty where none is stated.
        usage: by ledger.
    """

    namespace: str
    name: str
    kind: str
    description: str
    newest: VersionRow | None
    versions: tuple[VersionRow, ...]
    readme: str
    price: PriceTerms | None
    licence: str
    usage: tuple[Usage, ...]


@dataclass(frozen=True)
class Rebuild:
    """What an independent rebuilder found.

    Attributes:
        who: its name.
        key: that signed its word, hexadecimal; empty where there is none.
        measurement: of what it built; None where it has not said anything yet.
        logged: when its word was logged; 0 where there is none.
        position: of that entry; 0 where there is none.
        is_stolen: whether its key was in wrong hands by then, so that the word counts nothing.
    """

    who: str
    key: str
    measurement: Measurement | None
    logged: int = 0
    position: int = 0
    is_stolen: bool = False


@dataclass(frozen=True)
class DataTerms:
    """What a data service promises.

    Attributes:
        schema: JSON Schema of one answer.
        freshness_seconds: how old an answer is at most.
        source: where the data comes from, in words.
        sample: one answer as text.
    """

    schema: JsonObject
    freshness_seconds: int
    source: str
    sample: str


@dataclass(frozen=True)
class ReleaseView:
    """One release.

    Attributes:
        namespace: whose it is.
        name: its name there.
        version: its version.
        description: one line.
        standing: its state.
        measurement: its identity.
        position: of the entry that published it.
        logged: when.
        publisher: key that signed it, hexadecimal.
        terms: what it asks and promises.
        rebuilds: of everybody who rebuilds, whether it spoke of this release or not.
        usage: of this release, by ledger.
        versions: all versions of the name, newest first.
        previous: the version before this one; None for the first.
        readme: Markdown; empty where it has none.
        data: of a data service; None for code.
    """

    namespace: str
    name: str
    version: str
    description: str
    standing: StandingView
    measurement: Measurement
    position: int
    logged: int
    publisher: str
    terms: Terms
    rebuilds: tuple[Rebuild, ...]
    usage: tuple[Usage, ...]
    versions: tuple[str, ...]
    previous: str | None
    readme: str = ""
    data: DataTerms | None = None


@dataclass(frozen=True)
class KeyView:
    """A key of a namespace.

    Attributes:
        key: hexadecimal.
        since: when it was added.
        position: of that entry.
        until: when it was removed; None while it is in force.
        compromised: from when on nothing that it signed counts; None where it was not stolen.
    """

    key: str
    since: int
    position: int
    until: int | None = None
    compromised: int | None = None


@dataclass(frozen=True)
class AccountView:
    """A ledger account and a namespace that signed each other.

    Attributes:
        account: CAIP-10, such as ``eip155:1:0xab16...``.
        since: when that was logged.
        position: of that entry.
        is_stolen: whether the namespace's key that signed was in wrong hands by then, so that the link counts nothing.
        msp: of a client of a Hyperledger channel, the MSP that it says it is of; empty on other ledgers.
    """

    account: str
    since: int
    position: int
    is_stolen: bool = False
    msp: str = ""


@dataclass(frozen=True)
class LogEntry:
    """One entry of the log, for people.

    Attributes:
        position: its index.
        logged: when.
        what: what it did, such as ``published``.
        subject: to what, such as ``cold-chain@1.2.0``.
    """

    position: int
    logged: int
    what: str
    subject: str


@dataclass(frozen=True)
class NamespaceView:
    """A publisher.

    Attributes:
        namespace: its name.
        verified: how it showed that the name is its own, in words.
        since: when the namespace was made.
        keys: those in force first.
        accounts: linked accounts on ledgers.
        listings: its cryptlets and data services.
        history: its entries in the log, newest first.
        history_total: how many there are, where not all are here.
    """

    namespace: str
    verified: str
    since: int
    keys: tuple[KeyView, ...]
    accounts: tuple[AccountView, ...]
    listings: tuple[Listing, ...]
    history: tuple[LogEntry, ...]
    history_total: int


class Shelf(Protocol):
    """What the pages ask a registry, from any thread.

    Any method may raise a ``FabricError``, which becomes a page that says so.
    """

    def front(self) -> FrontView:
        """Returns what the first page shows."""
        ...

    def search(self, query: str, page: int) -> Results:
        """Returns a page of results.

        Args:
            query: one line of at most ``app.MAX_QUERY`` printable characters; empty for everything.
            page: from 1; beyond the last there are no listings.
        """
        ...

    def cryptlet(self, namespace: str, name: str) -> CryptletView | None:
        """Returns a cryptlet or data service; None where there is none of that name."""
        ...

    def release(self, namespace: str, name: str, version: str) -> ReleaseView | None:
        """Returns one release, whatever its state; None where there is none."""
        ...

    def publisher(self, namespace: str) -> NamespaceView | None:
        """Returns a namespace; None where nobody has it."""
        ...
