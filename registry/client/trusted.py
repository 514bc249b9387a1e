"""Trusted state: what a client remembers of a registry, and what it may forget.

``trusted/`` (TUF metadata, the last checkpoint) is the protection against rollback: it is kept where state is kept.
``cache/`` (wheels, target files) may be removed at any time.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tuf.api.exceptions import DownloadError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import Metadata, SuccinctRoles, Targets
from tuf.ngclient import Updater
from tuf.ngclient.config import UpdaterConfig

from fabric.core.errors import FabricError, Malformed, NotFound, Oversize, StoreError, VerificationError
from fabric.core.ids import sha256
from fabric.trust.checkpoint import MAX_NOTE_BYTES, Checkpoint, open_note, read_note
from fabric.trust.merkle import EMPTY_ROOT
from registry.client.transport import Fetcher, Source
from registry.files import Shelf
from registry.log.paths import CHECKPOINT
from registry.log.tree import SPLIT, Tiles, check_extends
from registry.records import MAX_RECORD_BYTES
from registry.tuf.pins import BIN_BITS, BIN_PREFIX, Pins, pins_of

_BINS: Final = SuccinctRoles([], 1, BIN_BITS, BIN_PREFIX)
_PREFIX: Final = "registry:///"
_CONFIG: Final = UpdaterConfig(max_root_rotations=64, prefix_targets_with_hash=True)
_EXPIRED: Final = (
    "the registry's signing job is dead, or somebody keeps newer metadata back. Nothing new is trusted until it is"
    " signed again: ask the registry's operator, or take another mirror"
)
_KEPT: Final = (
    "What was trusted before stays trusted until it expires; take another mirror, or ask the registry's operator"
)
_SPLIT: Final = (
    "The registry shows different people different logs: show both checkpoints to others, tell its operator, trust"
    " neither"
)
MAX_SPLITS: Final = 16
"""So many foreign checkpoints are kept as evidence."""


class Trusted:
    """The state of one registry on this machine.

    Attributes:
        checkpoint: the newest that was seen; of size 0 before the first.
        pins: what the offline keys say; raises ``RuntimeError`` before a refresh.
        tiles: of the newest checkpoint.
        note: its signed note.
    """

    def __init__(self, source: Source, root: bytes, state: Path, cache: Path) -> None:
        """Takes the folders; nothing is fetched yet.

        Args:
            source: where files come from.
            root: trusted root metadata, any version, got by another way than from the registry.
            state: folder of the trusted state; made when missing.
            cache: folder of what may be lost; made when missing.
        """
        self._source = source
        self._root = root
        self._state = Shelf(state)
        self._cache = Shelf(cache)
        self._updater: Updater | None = None
        self._pins: Pins | None = None
        self._targets: dict[str, bytes | None] = {}
        self.checkpoint = Checkpoint("", 0, EMPTY_ROOT)
        self.tiles = Tiles(self._read_log, 0)
        self.note = b""

    @property
    def pins(self) -> Pins:
        """What the offline keys say of the log."""
        if self._pins is None:
            raise RuntimeError("refresh first")
        return self._pins

    def refresh(self) -> None:
        """Fetches and checks the TUF metadata.

        Raises:
            VerificationError: step ``tuf``: they do not hold, are expired, or are older than what was seen.
            StoreError: the registry does not answer, or the state cannot be written.
        """
        folder = self._state.root / "metadata"
        with _converted():
            folder.mkdir(parents=True, exist_ok=True)
            updater = Updater(
                str(folder),
                f"{_PREFIX}metadata/",
                target_base_url=f"{_PREFIX}targets/",
                fetcher=Fetcher(self._source),
                config=_CONFIG,
                bootstrap=self._root,
            )
            updater.refresh()
            # The library keeps what it has verified there, and has no other way to the fields that it does not know.
            pins = pins_of(Metadata[Targets].from_bytes((folder / "targets.json").read_bytes()))
        self._updater = updater
        self._pins = pins
        self._targets = {}

    def target(self, path: str) -> bytes | None:
        """Returns a target file, None where TUF lists none.

        Raises:
            VerificationError, StoreError: as ``refresh``.
        """
        if path not in self._targets:
            self._targets[path] = self._fetch_target(path)
        return self._targets[path]

    def _fetch_target(self, path: str) -> bytes | None:
        if self._updater is None:
            raise RuntimeError("refresh first")
        with _converted():
            info = self._updater.get_targetinfo(path)
        if info is None:
            return None
        if info.length > MAX_RECORD_BYTES or set(info.hashes) != {"sha256"}:
            raise VerificationError("tuf", f"{path}: {info.length} bytes, hashes {sorted(info.hashes)}")
        digest = info.hashes["sha256"]
        try:
            return self.cached(_target_place(path, digest), info.length, bytes.fromhex(digest))
        except NotFound as error:
            raise StoreError(f"{error}, which its metadata list: this mirror is not whole, take another") from error

    def cached(self, path: str, size: int, digest: bytes) -> bytes:
        """Returns a file whose digest is known, from the cache or the source.

        Raises:
            VerificationError: step ``tuf``: the source gives another file.
            NotFound: the source has none.
            StoreError: the source does not answer.
        """
        known = self._cache.read(digest.hex())
        if known is not None and sha256(known) == digest:
            return known
        try:
            data = self._source.read(path, size)
        except Oversize as error:
            raise VerificationError("tuf", str(error)) from error
        if sha256(data) != digest:
            place = f"{self._source.name}/{path}"
            raise VerificationError(
                "tuf", f"{place}: SHA-256 {sha256(data).hex()}, expected {digest.hex()}: take another mirror"
            )
        self._cache.put(digest.hex(), data)
        return data

    def target_files(self) -> Iterator[tuple[str, bytes]]:
        """Yields the target files that were read since the last refresh, by their paths at a source."""
        for path, data in self._targets.items():
            if data is not None:
                yield _target_place(path, sha256(data).hex()), data

    def metadata_files(self) -> list[tuple[str, bytes]]:
        """Returns the verified metadata by file name, without roots; the timestamp comes last."""
        self._load_all_bins()
        names = [f"{BIN_PREFIX}-{number:02x}" for number in range(1 << BIN_BITS)]
        found = [(name, self._metadata(name)) for name in (*names, "targets", "snapshot")]
        files = [(f"{Metadata.from_bytes(data).signed.version}.{name}.json", data) for name, data in found if data]
        timestamp = self._metadata("timestamp")
        return [*files, ("timestamp.json", timestamp)] if timestamp else files

    def root_files(self) -> list[tuple[str, bytes]]:
        """Returns the root metadata that were verified, by file name, oldest first."""
        folder = self._state.root / "metadata" / "root_history"
        names = sorted((path.name for path in folder.glob("*.root.json")), key=lambda name: int(name.partition(".")[0]))
        return [(name, self._state.read(f"metadata/root_history/{name}") or b"") for name in names]

    def _load_all_bins(self) -> None:
        """Has the library fetch every bin: it fetches one when it is asked for a path of its."""
        missing = set(_BINS.get_roles())
        for number in itertools.count():
            path = f"probe/{number}"
            role = _BINS.get_role_for_target(path)
            if role in missing:
                self._fetch_target(path)
                missing.remove(role)
            if not missing:
                return

    def _metadata(self, role: str) -> bytes | None:
        return self._state.read(f"metadata/{role}.json")

    def follow(self) -> None:
        """Fetches the log's checkpoint and checks that it goes on from the last one.

        Raises:
            VerificationError: step ``log``: it is not signed, or a log of another history.
            StoreError: the registry does not answer.
        """
        old = self._last()
        note = self._read_log(CHECKPOINT, MAX_NOTE_BYTES)
        new = _open(note, self.pins)
        tiles = Tiles(self._read_log, new.size)
        self._check_goes_on(old, new, tiles, note)
        if new.size > old.size:
            self._state.put(CHECKPOINT, note)
        self.checkpoint, self.tiles, self.note = new, tiles, note

    def _check_goes_on(self, old: Checkpoint, new: Checkpoint, tiles: Tiles, note: bytes) -> None:
        try:
            check_extends(tiles, old, new)
        except VerificationError as error:
            if error.step == SPLIT:
                told = f"split view, two histories of {new.origin}: {error.reason}. {_SPLIT}: "
                raise VerificationError(
                    "log", told + self._keep_evidence(note, new) + self._after_rotation()
                ) from error
            if error.step != "size":
                raise VerificationError("log", error.reason) from error
            told = f"the log has {new.size} entries, and had {old.size} when it was last seen: it was rolled back."
            raise VerificationError("log", f"{told} Take another mirror{self._after_rotation()}") from error

    def _keep_evidence(self, note: bytes, new: Checkpoint) -> str:
        """Writes both notes beside each other, each of them once; returns where, for people."""
        name = f"split-{new.root.hex()[:8]}"
        place = self._state.root / f"{name}.note"
        try:
            known = len(list(self._state.root.glob("split-*.note")))
            if not place.exists() and known < 2 * MAX_SPLITS:
                seen = self._state.read(CHECKPOINT) or b""
                self._state.put_all({f"{name}-seen.note": seen, f"{name}.note": note})
        except StoreError as error:
            return f"the new one could not be kept: {error}"
        if not place.exists():
            return f"the new one was not kept, {MAX_SPLITS} others are in {self._state.root}"
        return f"they are kept as {place} and {name}-seen.note"

    def _after_rotation(self) -> str:
        """Says what else may be, where the last checkpoint was signed by a key that was replaced since."""
        note = self._state.read(CHECKPOINT) or b""
        try:
            _open(note, self.pins)
        except FabricError:
            return (
                "; or, where the registry's operator says that the log's former key was stolen, move"
                f" {self._state.root / CHECKPOINT} away, which a thief may have had signed"
            )
        return ""

    def _last(self) -> Checkpoint:
        note = self._state.read(CHECKPOINT)
        if note is None:
            return Checkpoint(self.pins.origin, 0, EMPTY_ROOT)
        # Its signature was checked when it was put here, maybe under a key that was replaced since.
        return read_note(note.decode())

    def _read_log(self, path: str, limit: int) -> bytes:
        try:
            return self._source.read(f"log/{path}", limit)
        except NotFound as error:
            raise StoreError(f"{error}, which its log needs: this mirror is not whole, take another") from error


def _target_place(path: str, digest: str) -> str:
    folder, _, base = path.rpartition("/")
    return f"targets/{folder}/{digest}.{base}"


def _open(note: bytes, pins: Pins) -> Checkpoint:
    try:
        checkpoint = open_note(note.decode(), pins.log_key)
    except UnicodeDecodeError as error:
        raise Malformed("checkpoint", "no UTF-8") from error
    if checkpoint.origin != pins.origin:
        raise VerificationError("log", f"the checkpoint is of {checkpoint.origin!r}, expected {pins.origin!r}")
    return checkpoint


@contextmanager
def _converted() -> Iterator[None]:
    """Says in the project's errors what TUF's library found."""
    try:
        yield
    except ExpiredMetadataError as error:
        raise VerificationError("tuf", f"{error}: {_EXPIRED}") from error
    except DownloadError as error:
        raise StoreError(f"the registry's metadata: {error}") from error
    except RepositoryError as error:
        raise VerificationError("tuf", f"the metadata here do not hold: {error}. {_KEPT}") from error
    except OSError as error:
        raise StoreError(f"the trusted state of the registry: {error}") from error
