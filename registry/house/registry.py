"""The registry: judges entries, logs them durably, and has what follows published.

An entry is logged when its leaf is committed to the database; nothing else decides. A repeat is answered with the place
it has. What is still lacking, a signature or the wheel file, makes it wait (``Pending``) instead of being refused.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.bundles.lock import check_contents, take_wheels
from fabric.core import canonical
from fabric.core.clock import Clock
from fabric.core.errors import NotFound, Refused, StoreError
from fabric.core.ids import Digest, Measurement, sha256
from registry.book.bodies import Release
from registry.book.book import Book
from registry.book.entry import Entry, Leaf, decode_entry, decode_leaf
from registry.book.replay import apply, replay
from registry.book.rules import Unsigned, check
from registry.files import Shelf
from registry.house.catalogue import Catalogue
from registry.house.publisher import Publisher
from registry.house.store import Pending, Store
from registry.records import check_room, wheel_path

WAIT_SECONDS: Final = 7 * 86_400
"""How long something may wait before it is forgotten."""
MAX_PENDING: Final = 1_000
MAX_OF_NAMESPACE: Final = 50
"""How much of that may be one namespace's, so that none takes the room of the others."""
MAX_CLAIMS: Final = 200

Admit = Callable[[Book, Entry], None]
"""The registry's own policy above the rules of the log, such as names that look like others; raises ``Refused``."""


@dataclass(frozen=True)
class Outcome:
    """What became of an entry.

    Attributes:
        digest: of its statement.
        position: in the log; None while it waits.
        lacks: what it waits for, for people; empty when it is logged.
        wheel: SHA-256 of the file that must be uploaded, if one must.
    """

    digest: Digest
    position: int | None
    lacks: str = ""
    wheel: Digest | None = None


class Registry:
    """One registry on one folder; use ``open_registry``.

    Attributes:
        book: what the log says.
        leaves: the log.
        publisher: the static files.
        staged: wheel files whose release is not logged yet.
        usage: how many anchored records were shown, by bundle and ledger, as of ``usage_until``, Unix seconds.
    """

    def __init__(self, store: Store, publisher: Publisher, clock: Clock, admit: Admit) -> None:
        """Takes its parts; nothing is read yet."""
        self.publisher: Final = publisher
        self.book = Book(publisher.tuf.pins.origin)
        self.leaves: list[bytes] = []
        self.store: Final = store
        self.staged: Final = Shelf(publisher.shelf.root.parent / "staged")
        self._clock = clock
        self._admit = admit
        self._turn = asyncio.Lock()
        self._is_whole = self._is_swept = False
        self.usage: dict[Measurement, dict[str, int]] = {}
        self.usage_until = 0
        self._positions: dict[str, list[int]] = {}
        self._descriptions: dict[Measurement, str] = {}
        self.catalogue: Final = Catalogue(lambda: self.book, self._descriptions)

    def seconds_left(self) -> int:
        """Returns for how long readers still take what is published."""
        return self.publisher.tuf.expires - self._clock.unix_seconds()

    def is_stale(self) -> bool:
        """Says whether what is published is past half its life, which a living server never lets happen."""
        return self.seconds_left() * 2 < self.publisher.lifetime

    def positions(self, namespace: str) -> list[int]:
        """Returns where in the log the entries of a namespace are, in order."""
        return list(self._positions.get(namespace, ()))

    async def load(self) -> None:
        """Reads the log and publishes what is not published; raises ``StoreError``, of a false log as ``replay``."""
        self.leaves = await self.store.leaves(0)
        self.book = await asyncio.to_thread(replay, self.book.origin, [decode_leaf(item) for item in self.leaves])
        for position, leaf in enumerate(map(decode_leaf, self.leaves)):
            self._positions.setdefault(leaf.entry.namespace, []).append(position)
        self._descriptions |= await self.store.descriptions()
        await self.refresh()

    async def refresh(self) -> None:
        """Renews what expires, and publishes what an earlier round could not; raises ``StoreError``."""
        async with self._turn:
            await self._publish(None if not self._is_whole else [])
        now = self._clock.unix_seconds()
        if await self.store.prune(now - WAIT_SECONDS, now) or not self._is_swept:
            async with self._turn:
                await self._sweep()
        self.usage, self.usage_until = await self.store.usage(), now

    async def submit(self, entry: Entry) -> Outcome:
        """Logs an entry, or keeps it waiting.

        Raises:
            Malformed: a signature does not hold.
            Refused: the rules or the registry's policy forbid it.
            NotFound: it speaks of something that is not there.
            StoreError: the database or the disk did not take it. Where the text says that it is logged, it is.
        """
        async with self._turn:
            return await self._submit(entry)

    async def _submit(self, entry: Entry) -> Outcome:
        position = await self.store.position_of(entry.digest)
        if position is None:
            position = self._published(entry)
        if position is not None:
            return Outcome(entry.digest, position)
        entry = await self._joined(entry)
        lacks = ""
        try:
            check(self.book, entry)
        except Unsigned as error:
            lacks = str(error)
        self._admit(self.book, entry)
        check_room(self.book, self.leaves, entry)
        files = await asyncio.to_thread(self._files_of, entry)
        missing = next((digest for digest in files if not self._has_wheel(digest)), None)
        if lacks or missing:
            await self._keep(entry, missing or next(iter(files), None))
            return Outcome(entry.digest, None, lacks or f"the wheel file {missing.hex() if missing else ''}", missing)
        return Outcome(entry.digest, await self._append(entry, files))

    def _published(self, entry: Entry) -> int | None:
        """Returns where the very same release is, which an author repeats who heard no answer to the first."""
        if not isinstance(entry.body, Release):
            return None
        publication = entry.body.publication
        known = self.book.listings.get(publication.measurement)
        if known is None or (known.namespace, known.publication.fields) != (entry.namespace, publication.fields):
            return None
        return known.position

    async def _joined(self, entry: Entry) -> Entry:
        """Returns the entry with the signatures that came before."""
        for item in await self.store.pending(entry.digest):
            entry = entry.with_signatures((*decode_entry(item.body).signatures, *entry.signatures))
        return entry

    async def _keep(self, entry: Entry, wheel: Digest | None) -> None:
        await self._check_room(entry.digest, entry.namespace)
        body = canonical.encode(entry.to_json())
        now = self._clock.unix_seconds()
        await self.store.put_pending(Pending(entry.digest, "entry", entry.namespace, body, wheel, now))

    async def stage(self, item: Pending, wheel: bytes, token: tuple[str, int]) -> bool:
        """Keeps a wheel that a token brought.

        Args:
            item: how it waits.
            wheel: the file.
            token: its name, and the last second in which it could be used.

        Returns:
            False where the token was used for something else.

        Raises:
            Refused: too much waits.
            StoreError: it was not kept, and the token is not used.
        """
        async with self._turn:
            await self._check_room(item.digest, item.namespace)
            self.staged.put(wheel_path(sha256(wheel)), wheel)
            return await self.store.stage(item, *token)

    async def _check_room(self, digest: Digest, namespace: str) -> None:
        """Bounds what waits: claims, which anybody may make, take no room from owners, nor owners from each other."""
        waiting = await self.store.pending()
        if any(item.digest == digest for item in waiting):
            return
        is_owned = namespace in self.book.holdings
        alike = [item.namespace for item in waiting if (item.namespace in self.book.holdings) == is_owned]
        what = "entries" if is_owned else "claims of namespaces"
        for count, limit, name in (
            (len(alike), MAX_PENDING if is_owned else MAX_CLAIMS, what),
            (alike.count(namespace), MAX_OF_NAMESPACE, f"{what} of {namespace!r}"),
        ):
            if count >= limit:
                raise Refused(f"{limit} {name} wait already, each for a week at most: try again later")

    async def _sweep(self) -> None:
        """Takes away the wheel files that nothing waits for any more."""
        waiting = await self.store.pending()
        kept = {item.wheel for item in waiting if item.wheel}
        for item in waiting:
            if item.kind == "entry":
                kept |= {*await asyncio.to_thread(self._files_of, decode_entry(item.body))}
        await asyncio.to_thread(self.staged.keep_only, {wheel_path(digest) for digest in kept})
        self._is_swept = True

    async def _append(self, entry: Entry, files: list[Digest]) -> int:
        for digest in files:
            self._show_wheel(digest)
        leaf = Leaf(entry, max(self._clock.unix_seconds(), self.book.logged))
        position = self.book.size
        for item in await self.store.pending():
            if item.kind != "entry" and item.wheel in files:
                await self.store.drop_pending(item.digest)  # an owner signed what a token had brought
        await self.store.append(position, entry.digest, leaf.encoded)
        self.leaves.append(leaf.encoded)
        self._positions.setdefault(entry.namespace, []).append(position)
        apply(self.book, leaf)  # on the loop, where the API reads: no reader sees half of an entry
        try:
            await self._publish([leaf])
        except StoreError as error:
            raise StoreError(
                f"logged at position {position}; it is published as soon as the disk takes it: {error}"
            ) from error
        return position

    async def _publish(self, new: list[Leaf] | None) -> None:
        """Publishes everything, new leaves, or, of none, renews."""
        whole, self._is_whole = self._is_whole, False
        if new == [] and whole:
            await asyncio.to_thread(self.publisher.renew, self.book)
        else:
            await asyncio.to_thread(self.publisher.publish, self.book, self.leaves, new if whole else None)
        self._is_whole = True

    async def take_wheel(self, digest: Digest, data: bytes) -> Outcome:
        """Takes in the wheel file that a release waits for.

        Raises:
            NotFound: no release waits for it.
            Malformed: it is no bundle.
            Refused: it is not the file that the release names.
            StoreError: as ``submit``.
        """
        async with self._turn:
            waiting = [item for item in await self.store.pending() if item.wheel == digest and item.kind == "entry"]
            if not waiting:
                raise NotFound(f"no release waits for the wheel {digest.hex()}: submit the release first")
            entry = decode_entry(waiting[0].body)
            bundle = await asyncio.to_thread(self._check_file, entry, digest, data)
            self.staged.put(wheel_path(digest), data)
            line = bundle.manifest.project.cryptlet.description
            await self.store.describe(bundle.measurement, line)
            self._descriptions[bundle.measurement] = line
            return await self._submit(entry)

    async def count(self, intent: Digest, measurement: Measurement, ledger: str) -> None:
        """Counts an anchored record of a bundle; a repeat changes nothing."""
        await self.store.note_usage(intent, measurement, ledger)
        self.usage, self.usage_until = await self.store.usage(), self._clock.unix_seconds()

    def staged_wheel(self, digest: Digest) -> bytes:
        """Returns a wheel file that waits; raises ``NotFound``."""
        data = self.staged.read(wheel_path(digest))
        if data is None:
            raise NotFound(f"no wheel {digest.hex()} waits here")
        return data

    def _has_wheel(self, digest: Digest) -> bool:
        return self.staged.has(wheel_path(digest)) or self.publisher.shelf.has(wheel_path(digest))

    def _show_wheel(self, digest: Digest) -> None:
        data = self.staged.read(wheel_path(digest))
        if data is not None:
            self.publisher.shelf.put(wheel_path(digest), data)
            self.staged.remove(wheel_path(digest))

    def _files_of(self, entry: Entry) -> list[Digest]:
        """Returns the wheel files of a release: its own, and, once that is here, those that it locks."""
        if not isinstance(entry.body, Release):
            return []
        own = entry.body.publication.wheel
        bundle = self._read_own(entry.body)
        return [own, *(item.digest for item in bundle.manifest.project.dependencies)] if bundle else [own]

    def _read_own(self, body: Release) -> Bundle | None:
        path = wheel_path(body.publication.wheel)
        data = self.staged.read(path) or self.publisher.shelf.read(path)
        return read_bundle(data) if data is not None else None

    def _check_file(self, entry: Entry, digest: Digest, data: bytes) -> Bundle:
        """Returns the bundle that a file belongs to: its own wheel, or one that it locks."""
        body = entry.body
        if not isinstance(body, Release):
            raise Refused("the entry that waits for this wheel is no release")
        bundle = self._read_own(body)
        if bundle is None or digest == body.publication.wheel:
            return check_wheel(body, digest, data)
        project = bundle.manifest.project
        locked = [item for item in project.dependencies if item.digest == digest]
        check_contents(locked, take_wheels(locked, [data], project.source.package))
        return bundle

    async def aclose(self) -> None:
        """Closes the database; idempotent."""
        await self.store.aclose()


def check_wheel(body: object, digest: Digest, data: bytes) -> Bundle:
    """Returns the bundle that a release speaks of.

    Raises:
        Malformed: it is no bundle.
        Refused: it is another one.
    """
    if not isinstance(body, Release):
        raise Refused("the entry that waits for this wheel is no release")
    if sha256(data) != digest or len(data) != body.size:
        raise Refused(f"expected {body.size} bytes of SHA-256 {digest.hex()}, got {len(data)} of {sha256(data).hex()}")
    bundle = read_bundle(data)
    identity, publication = bundle.manifest.project.cryptlet, body.publication
    said = (publication.name, publication.version, publication.kind, publication.measurement)
    if said != (identity.name, identity.version, identity.kind, bundle.measurement):
        raise Refused(
            f"the release speaks of {publication.name}@{publication.version}, the file is {bundle.manifest.title}"
        )
    return bundle
