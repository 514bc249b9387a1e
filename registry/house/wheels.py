"""Wheels: the files of releases, staged while the release waits and public once it is to be logged."""

from collections.abc import Iterable
from typing import Final

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.bundles.lock import check_contents, take_wheels
from fabric.core.errors import NotFound, Refused, StoreError
from fabric.core.ids import Digest, sha256
from registry.book.bodies import Release
from registry.book.entry import Entry, decode_entry
from registry.files import Shelf
from registry.home import check_home
from registry.house.store import Pending
from registry.records import wheel_path

_FOLDER: Final = "wheels"


class WheelRoom:
    """The wheel files of one registry; every method blocks, and raises ``StoreError`` where the disk refuses.

    Attributes:
        public: what readers fetch.
        staged: what waits.
    """

    def __init__(self, public: Shelf, staged: Shelf) -> None:
        """Takes both folders."""
        self.public: Final = public
        self.staged: Final = staged

    def has(self, digest: Digest) -> bool:
        """Says whether a file is here, staged or public."""
        return self.staged.has(wheel_path(digest)) or self.public.has(wheel_path(digest))

    def keep(self, digest: Digest, data: bytes) -> None:
        """Keeps a file that waits, durably."""
        self.staged.put(wheel_path(digest), data)

    def read_waiting(self, digest: Digest) -> bytes:
        """Returns a file that waits; raises ``NotFound``."""
        data = self._read(digest)
        if data is None:
            raise NotFound(f"no wheel {digest.hex()} waits here")
        return data

    def show(self, digests: Iterable[Digest]) -> None:
        """Makes staged files public, durably; what is public already stays."""
        for digest in digests:
            data = self.staged.read(wheel_path(digest))
            if data is not None:
                self.public.put(wheel_path(digest), data)
                self.staged.remove(wheel_path(digest))

    def files_of(self, entry: Entry) -> list[Digest]:
        """Returns the wheel files of a release: its own, and, once that is here, those that it locks."""
        if not isinstance(entry.body, Release):
            return []
        own = entry.body.publication.wheel
        bundle = self._read_own(entry.body)
        return [own, *(item.digest for item in bundle.manifest.project.dependencies)] if bundle else [own]

    def check(self, entry: Entry, digest: Digest, data: bytes) -> Bundle:
        """Returns the bundle that a file belongs to: its own wheel, or one that it locks.

        Raises:
            Malformed: it is no wheel.
            Refused: the entry is no release, or the file is another one than it names.
        """
        body = entry.body
        if not isinstance(body, Release):
            raise Refused("the entry that waits for this wheel is no release")
        bundle = self._read_own(body)
        if bundle is None or digest == body.publication.wheel:
            return check_wheel(entry, digest, data)
        project = bundle.manifest.project
        locked = [item for item in project.dependencies if item.digest == digest]
        check_contents(locked, take_wheels(locked, [data], project.source.package))
        return bundle

    def sweep(self, waiting: Iterable[Pending]) -> None:
        """Takes away staged files that nothing waits for any more; nobody else may be writing here."""
        wanted = {digest for item in waiting for digest in self._wanted(item)}
        try:
            there = [path.name for path in (self.staged.root / _FOLDER).glob("*.whl")]
        except OSError as error:
            raise StoreError(f"{self.staged.root / _FOLDER}: {error.strerror or error}") from error
        kept = {f"{digest.hex()}.whl" for digest in wanted}
        for name in there:
            if name not in kept:
                self.staged.remove(f"{_FOLDER}/{name}")

    def _wanted(self, item: Pending) -> list[Digest]:
        named = [item.wheel] if item.wheel is not None else []
        return [*named, *self.files_of(decode_entry(item.body))] if item.kind == "entry" else named

    def _read_own(self, body: Release) -> Bundle | None:
        data = self._read(body.publication.wheel)
        return read_bundle(data) if data is not None else None

    def _read(self, digest: Digest) -> bytes | None:
        """Reads a file wherever it is: one that was made public just before a kill waits still."""
        path = wheel_path(digest)
        return self.staged.read(path) or self.public.read(path)


def check_wheel(entry: Entry, digest: Digest, data: bytes) -> Bundle:
    """Returns the bundle that a release speaks of.

    Raises:
        Malformed: it is no bundle.
        Refused: it is another one, or of another namespace.
    """
    body = entry.body
    if not isinstance(body, Release):
        raise Refused("the entry that waits for this wheel is no release")
    if sha256(data) != digest or len(data) != body.size:
        raise Refused(f"expected {body.size} bytes of SHA-256 {digest.hex()}, got {len(data)} of {sha256(data).hex()}")
    bundle = read_bundle(data)
    check_home(bundle, entry.namespace)
    identity, publication = bundle.manifest.project.cryptlet, body.publication
    said = (publication.name, publication.version, publication.kind, publication.measurement)
    if said != (identity.name, identity.version, identity.kind, bundle.measurement):
        raise Refused(
            f"the release speaks of {publication.name}@{publication.version}, the file is {bundle.manifest.title}"
        )
    return bundle
