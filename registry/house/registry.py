"""The registry: judges entries, logs them durably, and has what follows published.

An entry is logged when its leaf is committed to the database; nothing else decides. A repeat is answered with the place
it has. What is still lacking, a signature or the wheel file, makes it wait (``Pending``) instead of being refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from fabric.bundles.bundle import Bundle
from fabric.core import canonical
from fabric.core.clock import Clock
from fabric.core.errors import NotFound, Refused, StoreError
from fabric.core.ids import Digest, Measurement
from registry.book.bodies import Release
from registry.book.book import Book
from registry.book.entry import Entry, Leaf, decode_entry, decode_leaf
from registry.book.replay import apply, replay
from registry.book.rules import Overtaken, Unsigned, check
from registry.files import Shelf
from registry.house.catalogue import Catalogue
from registry.house.publisher import Publisher
from registry.house.store import Pending, Store
from registry.house.wheels import WheelRoom
from registry.records import check_room

WAIT_SECONDS: Final = 7 * 86_400
"""How long something may wait before it is forgotten."""
MAX_PENDING: Final = 1_000
MAX_OF_NAMESPACE: Final = 50
"""How much of that may be one namespace's, so that none takes the room of the others."""
MAX_CLAIMS: Final = 200

_T = TypeVar("_T")
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
        wheels: the wheel files.
        usage: how many anchored records were shown, by bundle and ledger, as of ``usage_until``, Unix seconds.
    """

    def __init__(self, store: Store, publisher: Publisher, clock: Clock, admit: Admit) -> None:
        """Takes its parts; nothing is read yet."""
        self.publisher: Final = publisher
        self.book = Book(publisher.tuf.pins.origin)
        self.leaves: list[bytes] = []
        self.store: Final = store
        self.wheels: Final = WheelRoom(publisher.shelf, Shelf(publisher.shelf.root.parent / "staged"))
        self._clock = clock
        self._admit = admit
        self._turn = asyncio.Lock()
        self._is_whole = False
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
        await asyncio.to_thread(self._sweep, await self.store.pending())
        await self.refresh()

    def _sweep(self, waiting: list[Pending]) -> None:
        """Takes away what a killed process left unfinished, and wheels that nothing waits for."""
        for shelf in (self.publisher.shelf, self.wheels.staged):
            shelf.sweep()
        self.wheels.sweep(waiting)

    async def refresh(self) -> None:
        """Renews what expires, and publishes what an earlier round could not; raises ``StoreError``."""
        await self._alone(self._renew)
        self.usage, self.usage_until = await self.store.usage(), self._clock.unix_seconds()

    async def _renew(self) -> None:
        await self._publish(None if not self._is_whole else [])
        now = self._clock.unix_seconds()
        if await self.store.prune(now - WAIT_SECONDS, now):
            await self._tidy()

    async def _alone(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Runs work with nothing beside it, and to its end, although whoever asked for it was cancelled meanwhile.

        A thread that writes files cannot be stopped: it must not go on while the next server begins.
        """

        async def turn() -> _T:
            async with self._turn:
                return await work()

        return await asyncio.shield(asyncio.ensure_future(turn()))

    async def submit(self, entry: Entry) -> Outcome:
        """Logs an entry, or keeps it waiting.

        Raises:
            Malformed: a signature does not hold.
            Refused: the rules or the registry's policy forbid it.
            NotFound: it speaks of something that is not there.
            StoreError: the database or the disk did not take it. Where the text says that it is logged, it is.
        """
        return await self._alone(lambda: self._submit(entry))

    async def _submit(self, entry: Entry) -> Outcome:
        position = await self.store.position_of(entry.digest)
        if position is None:
            position = self._published(entry)
        if position is not None:
            if not self._is_whole:  # who repeats what the disk did not take finds it published
                await self._show(position, None)
            return Outcome(entry.digest, position)
        entry = await self._joined(entry)
        lacks = ""
        try:
            check(self.book, entry)
        except Unsigned as error:
            lacks = str(error)
        except Overtaken:
            await self.store.drop_pending(entry.digest)  # its number was given to another: it can never be logged
            raise
        self._admit(self.book, entry)
        check_room(self.book, self.leaves, entry)
        files = await asyncio.to_thread(self.wheels.files_of, entry)
        missing = next((digest for digest in files if not self.wheels.has(entry.namespace, digest)), None)
        if lacks or missing:
            await self._keep(entry, missing or next(iter(files), None))
            return Outcome(entry.digest, None, lacks or f"the wheel file {missing.hex() if missing else ''}", missing)
        await asyncio.to_thread(self.wheels.check_all, entry)
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

    async def _check_room(self, digest: Digest, namespace: str) -> None:
        """Bounds what waits: claims, which anybody may make, take no room from owners, nor owners from each other."""
        if self._fullness(await self.store.pending(), digest, namespace):
            await self._drop_overtaken()
            if told := self._fullness(await self.store.pending(), digest, namespace):
                raise Refused(told)

    def _fullness(self, waiting: list[Pending], digest: Digest, namespace: str) -> str:
        """Says what leaves no room for an item more; empty where there is room, or it waits already."""
        if any(item.digest == digest for item in waiting):
            return ""
        is_owned = namespace in self.book.holdings
        alike = [item.namespace for item in waiting if (item.namespace in self.book.holdings) == is_owned]
        what = "entries" if is_owned else "claims of namespaces"
        for count, limit, name in (
            (len(alike), MAX_PENDING if is_owned else MAX_CLAIMS, what),
            (alike.count(namespace), MAX_OF_NAMESPACE, f"{what} of {namespace!r}"),
        ):
            if count >= limit:
                return f"{limit} {name} wait already, each for a week at most: try again later"
        return ""

    async def _drop_overtaken(self) -> None:
        """Forgets what can never be logged, such as strangers' claims of what was given to somebody meanwhile."""
        for item in await self.store.pending():
            if item.kind == "entry" and not self.book.is_next(decode_entry(item.body)):
                await self.store.drop_pending(item.digest)
        await self._tidy()

    async def _tidy(self) -> None:
        """Takes away the files that nothing waits for any more."""
        await asyncio.to_thread(self.wheels.sweep, await self.store.pending())

    async def forget(self, digest: Digest) -> None:
        """Forgets what waits, and its file; what waits not changes nothing; raises ``StoreError``."""

        async def work() -> None:
            await self.store.drop_pending(digest)
            await self._tidy()

        await self._alone(work)

    async def _append(self, entry: Entry, files: list[Digest]) -> int:
        await asyncio.to_thread(self.wheels.show, entry.namespace, files)
        leaf = Leaf(entry, max(self._clock.unix_seconds(), self.book.logged))
        position = self.book.size
        waiting = await self.store.pending()
        # An owner signed what a token had brought. Both end in one step: a kill between them would lose it for both.
        brought = [item.digest for item in waiting if item.kind != "entry" and item.wheel in files[:1]]
        await self.store.append(position, entry.digest, leaf.encoded, brought)
        self.leaves.append(leaf.encoded)
        self._positions.setdefault(entry.namespace, []).append(position)
        apply(self.book, leaf)  # on the loop, where the API reads: no reader sees half of an entry
        await self._show(position, [leaf])
        return position

    async def _show(self, position: int, new: list[Leaf] | None) -> None:
        """Publishes what is logged."""
        try:
            await self._publish(new)
        except StoreError as error:
            raise StoreError(
                f"logged at position {position}; it is published as soon as the disk takes it: {error}"
            ) from error

    async def _publish(self, new: list[Leaf] | None) -> None:
        """Publishes everything, new leaves, or, of none, renews."""
        whole, self._is_whole = self._is_whole, False
        if new == [] and whole:
            await asyncio.to_thread(self.publisher.renew, self.book)
        else:
            await asyncio.to_thread(self.publisher.publish, self.book, self.leaves, new if whole else None)
        self._is_whole = True

    async def take_wheel(self, entry: Digest, wheel: Digest, data: bytes) -> Outcome:
        """Takes in the wheel file that a release waits for; for no other that waits for it too.

        Args:
            entry: names the release.
            wheel: SHA-256 of the file.
            data: the file.

        Raises:
            NotFound: the release does not wait for it.
            Malformed: it is no bundle.
            Refused: it is not the file that the release names.
            StoreError: as ``submit``.
        """
        return await self._alone(lambda: self._take_wheel(entry, wheel, data))

    async def _take_wheel(self, digest: Digest, wheel: Digest, data: bytes) -> Outcome:
        entry = await self.waiting_for(digest, wheel)
        bundle = await asyncio.to_thread(self.wheels.check, entry, wheel, data)
        await asyncio.to_thread(self.wheels.keep, entry.namespace, wheel, data)
        await self._describe(bundle)
        try:
            return await self._submit(entry)
        except Refused:
            await self._tidy()  # an overtaken one waits no more
            raise

    async def waiting_for(self, entry: Digest, wheel: Digest) -> Entry:
        """Returns a release that waits for a wheel file; raises ``NotFound``."""
        for item in await self.store.pending(entry):
            if item.kind == "entry" and item.wheel == wheel:
                return decode_entry(item.body)
        raise NotFound(f"no release {entry.hex()} waits for the wheel {wheel.hex()}: submit the release first")

    async def stage(self, item: Pending, bundle: Bundle, data: bytes, token: tuple[str, int]) -> bool:
        """Keeps a wheel that a token brought, and then the word that it waits for an owner.

        Args:
            item: how it waits.
            bundle: what the wheel holds.
            data: the wheel file.
            token: its name, and the last second in which it could be used.

        Returns:
            False where the token was used for something else.

        Raises:
            Refused: too much waits.
            StoreError: it was not kept, and the token is not used.
        """

        async def work() -> bool:
            await self._check_room(item.digest, item.namespace)
            await asyncio.to_thread(self.wheels.keep, item.namespace, bundle.wheel_digest, data)
            await self._describe(bundle)
            is_kept = await self.store.stage(item, *token)
            if not is_kept:
                await self._tidy()  # else whoever has one token fills the disk with it
            return is_kept

        return await self._alone(work)

    async def _describe(self, bundle: Bundle) -> None:
        line = bundle.manifest.project.cryptlet.description
        await self.store.describe(bundle.measurement, line)
        self._descriptions[bundle.measurement] = line

    async def count(self, intent: Digest, measurement: Measurement, ledger: str) -> None:
        """Counts an anchored record of a bundle; a repeat changes nothing."""
        await self.store.note_usage(intent, measurement, ledger)
        self.usage, self.usage_until = await self.store.usage(), self._clock.unix_seconds()

    async def aclose(self) -> None:
        """Waits for what has begun, and closes the database; idempotent."""
        async with self._turn:
            await self.store.aclose()
