"""Publisher: everything that readers fetch, as static files that follow from the log (docs/spec/registry.md, 4).

Order: tiles and checkpoint, then the records under TUF, then the standings. Whatever is cut off is done again at the
next round or the next start; until then readers see the former state, whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.clock import Clock
from fabric.core.ids import Measurement
from fabric.trust.schemes import ED25519, Signature
from fabric.trust.standing import Standing, sign_standing
from registry.book.book import Book, Listing
from registry.book.entry import Leaf
from registry.files import Shelf
from registry.log.writer import LogWriter
from registry.records import records, standings_path
from registry.tuf.keys import Key
from registry.tuf.writer import TufWriter

STANDING_SECONDS: Final = 3_600


@dataclass(frozen=True)
class OnlineKeys:
    """The keys that a server holds; see ``registry.tuf.keys``."""

    online: Key
    log: Key
    standing: Key


class Publisher:
    """The static files of a registry.

    Attributes:
        shelf: where they lie.
        tuf: what is current.
        lifetime: of timestamps and standings, seconds.
    """

    def __init__(self, shelf: Shelf, keys: OnlineKeys, clock: Clock, lifetime: int = STANDING_SECONDS) -> None:
        """Takes the folder; raises as ``TufWriter``.

        Args:
            shelf: the folder.
            keys: what it signs with.
            clock: gives the time of what it signs.
            lifetime: of timestamps and standings, seconds.
        """
        self.shelf: Final = shelf
        self.tuf: Final = TufWriter(shelf, keys.online, clock, lifetime)
        self._keys = keys
        self._clock = clock
        self.lifetime: Final = lifetime
        self._log = LogWriter(Shelf(shelf.root / "log"), self.tuf.pins.origin, keys.log.public, keys.log.sign)

    def publish(self, book: Book, leaves: Sequence[bytes], new: Sequence[Leaf] | None = None) -> None:
        """Publishes a book: all of it, or what came with its newest leaves where all before them is published.

        Raises:
            StoreError: the disk did not take it; all of it must be published next.
        """
        since = self._log.size
        self._log.extend(leaves[since:])
        self._log.emit(0 if new is None else since)
        made = records(book, leaves, new)
        self.tuf.publish(made, is_all=new is None)
        self._put_standings(book, None if new is None else [path for path in made if path.startswith("bundles/")])

    def renew(self, book: Book) -> None:
        """Signs timestamp and standings again; raises ``StoreError``."""
        self.tuf.publish({})
        self._put_standings(book, None)

    def _put_standings(self, book: Book, paths: Iterable[str] | None) -> None:
        bins: dict[str, dict[str, Listing]] = {}
        for measurement, item in book.listings.items():
            bins.setdefault(standings_path(measurement), {})[measurement.hex()] = item
        wanted = bins if paths is None else {_standings_of(path) for path in paths}
        self.shelf.put_all({path: self._encode(bins[path]) for path in wanted})

    def _encode(self, items: dict[str, Listing]) -> bytes:
        return canonical.encode({name: self.standing(item).to_json() for name, item in items.items()})

    def standing(self, item: Listing) -> Standing:
        """Signs the present standing of a bundle."""
        now, turn = self._clock.unix_seconds(), item.now
        unsigned = Standing(
            registry=self.tuf.pins.origin,
            measurement=item.measurement,
            state=turn.state,
            reason=turn.reason,
            position=turn.position,
            since=turn.since,
            issued=now,
            expires=now + self.lifetime,
            signature=Signature(ED25519, self._keys.standing.public, bytes(64)),
        )
        return sign_standing(unsigned, self._keys.standing.sign)


def _standings_of(path: str) -> str:
    measurement = path.removeprefix("bundles/").removesuffix(".json")
    return standings_path(Measurement(bytes.fromhex(measurement)))
