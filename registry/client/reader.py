"""Reader: what a registry says of a bundle, verified. The numbers are those of docs/spec/registry.md, section 6.

1.  ``tuf``: root, timestamp, snapshot, targets and bins are signed, in time, and no older than what was seen before.
2.  ``log``: the checkpoint is signed by the log's key and goes on from the last one that was seen.
3.  ``record``: the records are those that TUF lists; each leaf in them is in the log, where it says.
4.  ``rules``: the leaves, replayed, are allowed, from the authorities of the first leaf on: the namespace was approved,
    its owners signed, the bundle was published under this name.
5.  ``bundle``: the wheel file is the one that was published.
6.  ``standing``: the registry's signed word on the bundle holds now, and says what the record says.

``registry.client.verify`` adds what depends on a policy: rebuilds, capabilities, the lock file.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.bundles.lock import MAX_WHEEL_BYTES
from fabric.core import canonical
from fabric.core.clock import Clock
from fabric.core.errors import FabricError, NotFound, StoreError, VerificationError
from fabric.core.ids import Digest, Measurement, sha256
from fabric.core.plugins import nearest
from fabric.trust.checkpoint import Checkpoint
from fabric.trust.standing import BINDS, Standing, parse_standing
from registry.book.book import Book, Listing
from registry.book.entry import ROOT, Leaf
from registry.book.replay import replay_some
from registry.book.words import rank
from registry.client.transport import Source
from registry.client.trusted import Trusted
from registry.home import check_home
from registry.log.tree import Tiles, check_leaf
from registry.records import (
    bundle_path,
    decode_index,
    decode_record,
    names_path,
    namespace_path,
    standings_path,
    wheel_path,
)
from registry.tuf.pins import Pins

_STANDINGS_BYTES: Final = 32 << 20
SKEW_SECONDS: Final = 60
"""How far the registry's clock may be ahead of ours."""


@dataclass(frozen=True)
class Found:
    """A bundle as the registry shows it, verified.

    Attributes:
        listing: what the log says of it.
        book: of the leaves that were read.
        checkpoint: of the log that they are in.
        pins: of the registry.
    """

    listing: Listing
    book: Book
    checkpoint: Checkpoint
    pins: Pins


class Reader:
    """Reads one registry through one source."""

    def __init__(self, source: Source, trusted: Trusted, clock: Clock) -> None:
        """Takes the source and the trusted state; nothing is read yet."""
        self._source = source
        self._trusted = trusted
        self._clock = clock
        self._leaves: dict[int, bytes] = {}

    @property
    def pins(self) -> Pins:
        """What the offline keys say of the log, as of the last refresh."""
        return self._trusted.pins

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint that was seen and goes on from the others."""
        return self._trusted.checkpoint

    def refresh(self) -> None:
        """Steps 1 and 2: fetches what is current.

        Raises:
            VerificationError: it is not signed, not in time, or contradicts what was seen before.
            StoreError: the registry does not answer.
        """
        with at("tuf"):
            self._trusted.refresh()
        with at("log"):
            self._trusted.follow()

    def find(self, measurement: Measurement) -> Found:
        """Returns what the registry says of a bundle, steps 3 and 4.

        Raises:
            NotFound: it does not know it.
            VerificationError: what it says does not hold.
            StoreError: it does not answer.
        """
        with at("record"):
            leaves = self._read(bundle_path(measurement))
            if not leaves:
                raise NotFound(f"no bundle of measurement {measurement.hex()} in {self.pins.origin}")
            namespaces = {leaf.entry.namespace for leaf in leaves.values()} | {ROOT}
            for name in sorted(namespaces):
                leaves |= self._read(namespace_path(name))
            self._check_in_log(leaves)
        with at("rules"):
            book = replay_some(self.pins.origin, leaves.items())
            return Found(book.listing(measurement), book, self.checkpoint, self.pins)

    def resolve(self, namespace: str, name: str, version: str | None = None) -> Found:
        """Returns what a name stands for; without a version, the newest one that may be bound.

        Raises:
            NotFound: no such name or version; names the nearest.
            VerificationError, StoreError: as ``find``.
        """
        versions = self.versions(namespace, name)
        if version is not None:
            if version not in versions:
                known = nearest(version, sorted(versions, key=rank))
                raise NotFound(f"no version {version!r} of {namespace}/{name}{known}")
            return self._named(namespace, name, version, versions)
        ordered = sorted(versions, key=rank, reverse=True)
        found = [self._named(namespace, name, each, versions) for each in ordered[:1]]
        for each in ordered[1:]:
            if found[-1].listing.now.state in BINDS:
                break
            found.append(self._named(namespace, name, each, versions))
        return next((item for item in found if item.listing.now.state in BINDS), found[0])

    def versions(self, namespace: str, name: str) -> dict[str, Measurement]:
        """Returns the measurements of a cryptlet by version, as the index says; raises as ``find``."""
        with at("record"):
            data = self._trusted.target(names_path(namespace, name))
            if data is None:
                raise NotFound(f"no cryptlet {namespace}/{name} in {self.pins.origin}")
            return decode_index(data)

    def _named(self, namespace: str, name: str, version: str, versions: Mapping[str, Measurement]) -> Found:
        found = self.find(versions[version])
        wanted = f"{namespace}/{name}@{version}"
        if found.listing.ref != wanted:
            raise VerificationError("record", f"the index leads from {wanted} to {found.listing.ref}")
        return found

    def wheel(self, found: Found) -> tuple[bytes, Bundle]:
        """Returns a bundle's wheel file and the bundle read from it, step 5; raises as ``find``."""
        publication = found.listing.publication
        data = self.wheel_file(found.listing)
        with at("bundle"):
            bundle = read_bundle(data)
            check_home(bundle, found.listing.namespace)
            identity = bundle.manifest.project.cryptlet
            if bundle.measurement != publication.measurement or (identity.name, identity.version) != (
                publication.name,
                publication.version,
            ):
                raise VerificationError("bundle", f"the file is {bundle.manifest.title}, measured otherwise")
        return data, bundle

    def wheel_file(self, item: Listing) -> bytes:
        """Returns the wheel file of a listing, by its digest and size; raises as ``find``."""
        with at("bundle"):
            return self._trusted.cached(wheel_path(item.publication.wheel), item.size, item.publication.wheel)

    def dependency(self, digest: Digest) -> bytes:
        """Returns a wheel that a bundle locks, by its SHA-256.

        Raises:
            NotFound: the registry does not keep it.
            VerificationError, StoreError: as ``find``.
        """
        with at("bundle"):
            return self._trusted.cached(wheel_path(digest), MAX_WHEEL_BYTES, digest)

    def target(self, path: str) -> bytes | None:
        """Returns a target file as TUF lists it, None where it lists none; raises as ``refresh``."""
        with at("tuf"):
            return self._trusted.target(path)

    def read_log(self, path: str, limit: int) -> bytes:
        """Returns a file of the log, of which nothing was checked; raises ``NotFound`` and ``StoreError``."""
        return self._source.read(f"log/{path}", limit)

    @property
    def note(self) -> bytes:
        """The signed note of the checkpoint."""
        return self._trusted.note

    def target_files(self) -> Iterator[tuple[str, bytes]]:
        """Yields the target files that were read since the last refresh, by their paths at a source."""
        return self._trusted.target_files()

    def metadata_files(self) -> list[tuple[str, bytes]]:
        """Returns the verified TUF metadata by file name, without roots; the timestamp comes last."""
        return self._trusted.metadata_files()

    def root_files(self) -> list[tuple[str, bytes]]:
        """Returns the root metadata that were verified, by file name, oldest first."""
        return self._trusted.root_files()

    def standings(self, measurements: Collection[Measurement]) -> dict[Measurement, Standing]:
        """Returns the registry's present word on bundles, step 6; one that it does not know is left out.

        Raises:
            VerificationError: it does not hold, or not now.
            StoreError: the registry does not answer.
        """
        found: dict[Measurement, Standing] = {}
        for path in sorted({standings_path(item) for item in measurements}):
            with at("standing"):
                found |= self._standings(path, measurements)
        return found

    def _standings(self, path: str, wanted: Collection[Measurement]) -> Iterator[tuple[Measurement, Standing]]:
        try:
            everyone = canonical.decode_object(self._source.read(path, _STANDINGS_BYTES), max_bytes=_STANDINGS_BYTES)
        except NotFound:
            return iter(())
        mine = [(item, everyone[item.hex()]) for item in wanted if item.hex() in everyone]
        return iter([(item, self._check_standing(item, parse_standing(value))) for item, value in mine])

    def _check_standing(self, measurement: Measurement, standing: Standing) -> Standing:
        now = self._clock.unix_seconds()
        if standing.measurement != measurement or standing.registry != self.pins.origin:
            raise VerificationError("standing", f"it is of {standing.measurement.hex()} in {standing.registry}")
        if standing.signature.key != self.pins.standing_key or not standing.is_signed():
            raise VerificationError("standing", "it is not signed by the key that the registry's targets role names")
        if standing.issued > now + SKEW_SECONDS:
            raise VerificationError("standing", f"it is issued at {standing.issued}, and now is {now}: see both clocks")
        if standing.expires < now:
            late = now - standing.expires
            raise VerificationError(
                "standing", f"it ended {late} s ago: the registry's signing job is dead, or this mirror is old"
            )
        return standing

    def _read(self, path: str) -> dict[int, Leaf]:
        data = self._trusted.target(path)
        return {} if data is None else {item.position: item.leaf for item in decode_record(data)}

    def _check_in_log(self, leaves: Mapping[int, Leaf]) -> None:
        """Checks each leaf once for a checkpoint."""
        checkpoint = self.checkpoint
        tiles: Tiles = self._trusted.tiles
        for position, leaf in leaves.items():
            if self._leaves.get(position) != leaf.encoded:
                check_leaf(tiles, checkpoint, position, leaf.encoded)
                self._leaves[position] = leaf.encoded
        first = leaves.get(0)
        if first is None or sha256(first.encoded) != self.pins.genesis:
            raise VerificationError("record", "the log's first leaf is not the one that the registry's keys vouch for")


@contextmanager
def at(step: str) -> Iterator[None]:
    """Refuses in the name of a step whatever does not hold inside it; what is absent stays so."""
    try:
        yield
    except VerificationError as error:
        raise VerificationError(step, error.reason) from error
    except (NotFound, StoreError):
        raise
    except FabricError as error:
        raise VerificationError(step, str(error)) from error
