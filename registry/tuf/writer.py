"""Writer of the TUF metadata: the online half, which the server runs at every change and every few minutes.

Versioned files first, ``timestamp.json`` last: it is the one file that changes in place, and what it names is there
before it. A writer that starts reads what the last one left and goes on from its version numbers.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Snapshot, SuccinctRoles, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, StoreError
from registry.files import Shelf
from registry.tuf.keys import Key
from registry.tuf.pins import BIN_BITS, BIN_PREFIX, Pins, pins_of

TIMESTAMP_SECONDS: Final = 3_600
SNAPSHOT_SECONDS: Final = 7 * 86_400
KEPT_BINS: Final = 8
KEPT_SNAPSHOTS: Final = 64
"""So many versions stay, for readers that began before the newest."""
METADATA: Final = "metadata"
TARGETS: Final = "targets"
_SUCCINCT: Final = SuccinctRoles([], 1, BIN_BITS, BIN_PREFIX)
_RECOVER: Final = (
    "put it back from a mirror; where there is none, take metadata/timestamp.json away, start again, and run"
    " `cryptlet registry rotate FOLDER online`, so that readers follow"
)
_Read = TypeVar("_Read")
_COMPACT: Final = JSONSerializer(compact=True)


class TufWriter:
    """The bins, the snapshot and the timestamp of a registry.

    Attributes:
        pins: what the offline role says of the log.
    """

    def __init__(self, shelf: Shelf, online: Key, clock: Clock, timestamp_seconds: int = TIMESTAMP_SECONDS) -> None:
        """Reads what is published.

        Raises:
            ConfigError: the folder has no root or targets, or they do not name the online key.
            StoreError: what is published cannot be read.
        """
        self._shelf = shelf
        self._online = online
        self._clock = clock
        self._lifetime = timestamp_seconds
        self.pins: Final = self._read_offline()
        self._bins: dict[str, Metadata[Targets]] = {}
        self._forget()
        self._read_online()

    @property
    def expires(self) -> int:
        """When the published timestamp ends, Unix seconds."""
        return int(self._timestamp.signed.expires.timestamp())

    def publish(self, files: Mapping[str, bytes], *, is_all: bool = False) -> None:
        """Publishes target files, and renews what is about to expire; raises ``StoreError``.

        A file of the same bytes as the published one costs nothing.

        Args:
            files: by path.
            is_all: whether there are no others: what is listed besides is taken out, which a thief may have put there.
        """
        try:
            self._publish(files, is_all=is_all)
        except StoreError:
            # What was counted up here may not be there: go on from what is.
            self._forget()
            self._read_online()
            raise

    def _publish(self, files: Mapping[str, bytes], *, is_all: bool) -> None:
        changed = self._put_targets(files, is_all=is_all)
        if is_all:
            changed |= self._drop_others(files)
        targets, snapshot = self._newest_targets().signed.version, self._snapshot.signed
        known = snapshot.meta["targets.json"].version
        is_new = len(self._bins) < _SUCCINCT.number_of_bins
        # Another version of targets may name another key: whatever the former one signed is signed again.
        if is_new or known != targets or self._is_half_over(snapshot.expires, SNAPSHOT_SECONDS):
            changed |= set(_SUCCINCT.get_roles())
        self._shelf.put_all(dict(self._next_bin(name) for name in sorted(changed)))
        if changed:
            self._put_snapshot(targets)
        self.renew()
        self._prune(changed)

    def _prune(self, changed: set[str]) -> None:
        """Takes away versions that no reader can be in the middle of any more."""
        for name in changed:
            self._shelf.remove(f"{METADATA}/{self._bins[name].signed.version - KEPT_BINS}.{name}.json")
        if changed:
            self._shelf.remove(f"{METADATA}/{self._snapshot.signed.version - KEPT_SNAPSHOTS}.snapshot.json")

    def _forget(self) -> None:
        self._bins = {}
        self._snapshot = Metadata(Snapshot(expires=self._after(SNAPSHOT_SECONDS)))
        self._timestamp = Metadata(Timestamp(expires=self._after(self._lifetime)))
        self._snapshot.signed.version = self._timestamp.signed.version = 0  # counted up when they are written

    def renew(self) -> None:
        """Signs a new timestamp; raises ``StoreError``."""
        signed = self._timestamp.signed
        signed.version += 1
        signed.expires = self._after(self._lifetime)
        snapshot = self._snapshot.signed
        signed.snapshot_meta = MetaFile.from_data(snapshot.version, self._encode(self._snapshot), ["sha256"])
        self._shelf.put(f"{METADATA}/timestamp.json", self._signed(self._timestamp))

    def _drop_others(self, files: Mapping[str, bytes]) -> set[str]:
        """Takes targets out of the bins that are none of these; returns which bins that changes."""
        changed = set()
        for name, metadata in self._bins.items():
            others = metadata.signed.targets.keys() - files.keys()
            for path in others:
                del metadata.signed.targets[path]
            if others:
                changed.add(name)
        return changed

    def _put_targets(self, files: Mapping[str, bytes], *, is_all: bool) -> set[str]:
        changed = set()
        new: dict[str, bytes] = {}
        for path, data in files.items():
            info = TargetFile.from_data(path, data, ["sha256"])
            name = _SUCCINCT.get_role_for_target(path)
            known = self._bins[name].signed.targets.get(path) if name in self._bins else None
            folder, _, base = path.rpartition("/")
            place = f"{TARGETS}/{folder}/{info.hashes['sha256']}.{base}"
            if known == info and (not is_all or self._shelf.has(place)):
                continue
            new[place] = data
            if known == info:
                continue  # only the file was lost
            self._bin(name).signed.targets[path] = info
            changed.add(name)
        self._shelf.put_all(new)
        return changed

    def _bin(self, name: str) -> Metadata[Targets]:
        if name not in self._bins:
            self._bins[name] = Metadata(Targets(expires=self._after(SNAPSHOT_SECONDS)))
            self._bins[name].signed.version = 0  # counted up when it is written
        return self._bins[name]

    def _next_bin(self, name: str) -> tuple[str, bytes]:
        """Returns a bin's next version, path and bytes."""
        metadata = self._bin(name)
        metadata.signed.version += 1
        metadata.signed.expires = self._after(SNAPSHOT_SECONDS)
        data = self._signed(metadata)
        self._snapshot.signed.meta[f"{name}.json"] = MetaFile.from_data(metadata.signed.version, data, ["sha256"])
        return f"{METADATA}/{metadata.signed.version}.{name}.json", data

    def _put_snapshot(self, targets: int) -> None:
        signed = self._snapshot.signed
        signed.version += 1
        signed.expires = self._after(SNAPSHOT_SECONDS)
        signed.meta["targets.json"] = MetaFile(targets)
        self._shelf.put(f"{METADATA}/{signed.version}.snapshot.json", self._signed(self._snapshot))

    def _signed(self, metadata: "Metadata[Any]") -> bytes:
        metadata.sign(self._online.signer)
        return self._encode(metadata)

    def _encode(self, metadata: "Metadata[Any]") -> bytes:
        return metadata.to_bytes(_COMPACT)

    def _read_offline(self) -> Pins:
        """Reads the offline roles, and refuses to go on with a key that they do not name."""
        targets = self._newest_targets()
        delegations = targets.signed.delegations
        roles = delegations.succinct_roles if delegations else None
        if roles is None or self._online.signer.public_key.keyid not in roles.keyids:
            raise ConfigError("the targets metadata does not name this online key: `cryptlet registry rotate` does it")
        return pins_of(targets)

    def _newest_targets(self) -> Metadata[Targets]:
        folder = self._shelf.root / METADATA
        versions = sorted(int(path.name.partition(".")[0]) for path in folder.glob("*.targets.json"))
        found = self._load(f"{versions[-1]}.targets.json", Metadata[Targets].from_bytes) if versions else None
        if found is None:
            raise ConfigError(f"{folder}: no targets metadata; `cryptlet registry init` makes it")
        return found

    def _read_online(self) -> None:
        timestamp = self._load("timestamp.json", Metadata[Timestamp].from_bytes)
        if timestamp is None:
            return
        version = timestamp.signed.snapshot_meta.version
        snapshot = self._load(f"{version}.snapshot.json", Metadata[Snapshot].from_bytes)
        if snapshot is None:
            raise StoreError(f"{METADATA}/{version}.snapshot.json is lost: {_RECOVER}")
        self._timestamp, self._snapshot = timestamp, snapshot
        for name in _SUCCINCT.get_roles():
            meta = snapshot.signed.meta[f"{name}.json"]
            found = self._load(f"{meta.version}.{name}.json", Metadata[Targets].from_bytes)
            if found is None:
                raise StoreError(f"{METADATA}/{meta.version}.{name}.json is lost: {_RECOVER}")
            self._bins[name] = found

    def _load(self, name: str, read: Callable[[bytes], _Read]) -> _Read | None:
        data = self._shelf.read(f"{METADATA}/{name}")
        try:
            return None if data is None else read(data)
        except RepositoryError as error:
            raise StoreError(f"{METADATA}/{name}: {error}: {_RECOVER}") from error

    def _after(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(self._clock.unix_seconds() + seconds, UTC)

    def _is_half_over(self, expires: datetime, lifetime: int) -> bool:
        return expires.timestamp() - self._clock.unix_seconds() < lifetime / 2
