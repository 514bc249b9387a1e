"""Wheels: the files of releases, staged while the release waits and public once it is to be logged.

What is staged is so for one namespace: a measurement is logged once, and whoever reads what waits could otherwise have
a release of his own logged with a file that he has never had.
"""

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

    def has(self, namespace: str, digest: Digest) -> bool:
        """Says whether a file is here: public, or brought for this namespace. What others brought is theirs."""
        return self.staged.has(_place(namespace, digest)) or self.public.has(wheel_path(digest))

    def keep(self, namespace: str, digest: Digest, data: bytes) -> None:
        """Keeps a file that waits in a namespace, durably."""
        self.staged.put(_place(namespace, digest), data)

    def read_waiting(self, namespace: str, digest: Digest) -> bytes:
        """Returns a file that waits; raises ``NotFound``."""
        data = self._read(namespace, digest)
        if data is None:
            raise NotFound(f"no wheel {digest.hex()} waits here")
        return data

    def show(self, namespace: str, digests: Iterable[Digest]) -> None:
        """Makes a namespace's staged files public, durably; what is public already stays."""
        for digest in digests:
            data = self.staged.read(_place(namespace, digest))
            if data is not None:
                self.public.put(wheel_path(digest), data)
                self.staged.remove(_place(namespace, digest))

    def files_of(self, entry: Entry) -> list[Digest]:
        """Returns the wheel files of a release: its own, and, once that is here, those that it locks.

        Raises:
            Refused: the release speaks of another bundle than its own file is.
        """
        body = entry.body
        if not isinstance(body, Release):
            return []
        own = body.publication.wheel
        data = self._read(entry.namespace, own)
        return [own] if data is None else [own, *_locked(check_wheel(entry, own, data))]

    def check(self, entry: Entry, digest: Digest, data: bytes) -> Bundle:
        """Returns the bundle that a file belongs to: its own wheel, or one that it locks.

        Raises:
            Malformed: it is no wheel.
            Refused: the entry is no release, or the file is another one than it names.
        """
        body = entry.body
        if not isinstance(body, Release):
            raise Refused("the entry that waits for this wheel is no release")
        own = self._read(entry.namespace, body.publication.wheel)
        if own is None or digest == body.publication.wheel:
            return check_wheel(entry, body.publication.wheel, data)
        bundle = check_wheel(entry, body.publication.wheel, own)
        check_locked(bundle, digest, data)
        return bundle

    def check_all(self, entry: Entry) -> None:
        """Checks every file of a release that is to be logged, since one that was here came for another; see ``check``.

        Raises:
            NotFound: one is not here.
        """
        body = entry.body
        if not isinstance(body, Release):
            return
        own = body.publication.wheel
        bundle = check_wheel(entry, own, self.read_waiting(entry.namespace, own))
        for digest in _locked(bundle):
            check_locked(bundle, digest, self.read_waiting(entry.namespace, digest))

    def sweep(self, waiting: Iterable[Pending]) -> None:
        """Takes away staged files that nothing waits for any more; nobody else may be writing here."""
        wanted = {_place(item.namespace, digest) for item in waiting for digest in self._wanted(item)}
        try:
            there = [str(path.relative_to(self.staged.root)) for path in self.staged.root.glob("*/*.whl")]
        except OSError as error:
            raise StoreError(f"{self.staged.root}: {error.strerror or error}") from error
        for path in there:
            if path not in wanted:
                self.staged.remove(path)

    def _wanted(self, item: Pending) -> list[Digest]:
        named = [item.wheel] if item.wheel is not None else []
        body = decode_entry(item.body).body if item.kind == "entry" else None
        if not isinstance(body, Release):
            return named
        data = self._read(item.namespace, body.publication.wheel)
        return [*named, body.publication.wheel, *(_locked(read_bundle(data)) if data is not None else ())]

    def _read(self, namespace: str, digest: Digest) -> bytes | None:
        """Reads a file wherever it is: one that was made public just before a kill waits still."""
        return self.staged.read(_place(namespace, digest)) or self.public.read(wheel_path(digest))


def _place(namespace: str, digest: Digest) -> str:
    return f"{namespace}/{digest.hex()}.whl"


def _locked(bundle: Bundle) -> list[Digest]:
    return [item.digest for item in bundle.manifest.project.dependencies]


def check_locked(bundle: Bundle, digest: Digest, data: bytes) -> None:
    """Says whether a file is one that a bundle locks, as it locks it; raises ``Malformed`` and ``Refused``."""
    project = bundle.manifest.project
    locked = [item for item in project.dependencies if item.digest == digest]
    check_contents(locked, take_wheels(locked, [data], project.source.package))


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
