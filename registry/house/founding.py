"""Founding: a registry's folder, its keys and its first metadata; and rotations of keys later.

Layout of the folder: ``public/`` (what readers fetch), ``keys/`` (online), ``registry.db``, ``staged/``. The folder of
the ceremony holds the offline keys and is to be taken away; ``root.json`` in it is what users get, by another way than
from the registry.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tuf.api.metadata import Metadata, Targets

from fabric.core.clock import Clock
from fabric.core.errors import ConfigError
from fabric.core.ids import sha256
from registry.book.bodies import Claim, Owners
from registry.book.entry import ROOT, Entry, Leaf
from registry.files import Shelf
from registry.house.lock import locked
from registry.house.publisher import STANDING_SECONDS, OnlineKeys, Publisher
from registry.house.registry import Admit, Registry
from registry.house.store import open_store
from registry.tuf import ceremony
from registry.tuf.keys import OFFLINE, ONLINE, Key, make_key, open_key, open_keys
from registry.tuf.pins import Pins, pins_of
from registry.tuf.writer import METADATA

DATABASE: Final = "registry.db"
ROOT_FILE: Final = "root.json"


@dataclass(frozen=True)
class Plan:
    """How a registry is founded.

    Attributes:
        folder: of the registry.
        ceremony: of the offline keys.
        origin: name of its log, such as ``registry.example.org/acme``.
        keys: how many keys each offline role has.
        threshold: how many of them must sign.
        database: URL of a database; empty for a file in the folder.
    """

    folder: Path
    ceremony: Path
    origin: str
    keys: int = 2
    threshold: int = 1
    database: str = ""


async def found(plan: Plan, clock: Clock) -> Pins:
    """Makes a registry and its keys.

    Raises:
        ConfigError: there is one, or the plan cannot be carried out.
        StoreError: the database cannot be made.
    """
    public = Shelf(plan.folder / "public")
    if public.has(f"{METADATA}/1.root.json"):
        raise ConfigError(f"{plan.folder}: a registry is there already")
    if not 1 <= plan.threshold <= plan.keys:
        raise ConfigError(f"a threshold of 1 to {plan.keys} keys, got {plan.threshold}")
    online = {name: make_key(plan.folder / "keys" / f"{name}.key") for name in ONLINE}
    offline = {role: [make_key(plan.ceremony / f"{role}-{at + 1}.key") for at in range(plan.keys)] for role in OFFLINE}
    leaf = _genesis(plan, offline["authority"], clock)
    store = open_store(plan.database or plan.folder / DATABASE)
    try:
        await store.append(0, leaf.entry.digest, leaf.encoded)
    finally:
        await store.aclose()
    pins = Pins(plan.origin, online["log"].public, online["standing"].public, sha256(leaf.encoded))
    keys = ceremony.Keys(offline["root"], offline["targets"], plan.threshold, online["online"])
    root = ceremony.write_root(keys, clock)
    public.put(f"{METADATA}/1.targets.json", ceremony.write_targets(keys, pins, clock))
    Shelf(plan.ceremony).put(ROOT_FILE, root)
    public.put(f"{METADATA}/1.root.json", root)
    return pins


def rotate_online(folder: Path, offline: Path, threshold: int, clock: Clock, roles: tuple[str, ...] = ONLINE) -> Pins:
    """Replaces online keys by new ones; the next start of the server signs everything with them.

    Raises:
        ConfigError: the offline keys are not there, or not the registry's.
        Refused: a process works on the registry, which would go on signing with the old keys.
    """
    with locked(folder):
        return _rotate_online(folder, offline, threshold, clock, roles)


def _rotate_online(folder: Path, offline: Path, threshold: int, clock: Clock, roles: tuple[str, ...]) -> Pins:
    public = Shelf(folder / "public")
    present = {name: open_key(folder / "keys" / f"{name}.key") for name in ONLINE}
    fresh = {
        name: _next_key(folder / "keys" / f"{name}.new.key") if name in roles else present[name] for name in ONLINE
    }
    old_root, old_targets = _newest(public, "root"), _newest(public, "targets")
    roots, targets = open_keys(offline, "root"), open_keys(offline, "targets")
    keys = ceremony.Keys(roots, targets, threshold, fresh["online"])
    root = ceremony.write_root(keys, clock, old_root, roots)
    pins = replace(_pins(old_targets), log_key=fresh["log"].public, standing_key=fresh["standing"].public)
    version = ceremony.version_of(old_targets) + 1
    public.put(f"{METADATA}/{version}.targets.json", ceremony.write_targets(keys, pins, clock, version))
    public.put(f"{METADATA}/{ceremony.version_of(root)}.root.json", root)
    for name in roles:
        (folder / "keys" / f"{name}.new.key").replace(folder / "keys" / f"{name}.key")
    return pins


def rotate_root(folder: Path, offline: Path, new: Path, threshold: int, clock: Clock) -> None:
    """Replaces the offline keys of root and targets by new ones, signed by the old root keys and the new.

    Raises:
        ConfigError: the old keys are not there or too few, or new ones are there already.
        Refused: a process works on the registry.
    """
    with locked(folder):
        _rotate_root(folder, offline, new, threshold, clock)


def _rotate_root(folder: Path, offline: Path, new: Path, threshold: int, clock: Clock) -> None:
    public = Shelf(folder / "public")
    old_root, old_targets = _newest(public, "root"), _newest(public, "targets")
    old_keys = open_keys(offline, "root")
    count = range(1, len(old_keys) + 1)
    made = {role: [make_key(new / f"{role}-{at}.key") for at in count] for role in ("root", "targets")}
    online = open_key(folder / "keys" / "online.key")
    keys = ceremony.Keys(made["root"], made["targets"], threshold, online)
    root = ceremony.write_root(keys, clock, old_root, old_keys)
    version = ceremony.version_of(old_targets) + 1
    targets = ceremony.write_targets(keys, _pins(old_targets), clock, version)
    public.put(f"{METADATA}/{version}.targets.json", targets)
    Shelf(new).put(ROOT_FILE, root)
    public.put(f"{METADATA}/{ceremony.version_of(root)}.root.json", root)


@contextmanager
def open_house(
    folder: Path, clock: Clock, admit: Admit, database: str = "", lifetime: int = STANDING_SECONDS
) -> Iterator[Registry]:
    """Opens a registry's folder, for one process at a time.

    Raises:
        ConfigError: there is none, or its keys are not those that its metadata names.
        Refused: another process works on it.
        StoreError: the database cannot be opened.
    """
    with locked(folder):
        keys = OnlineKeys(*(open_key(folder / "keys" / f"{name}.key") for name in ONLINE))
        publisher = Publisher(Shelf(folder / "public"), keys, clock, lifetime)
        yield Registry(open_store(database or folder / DATABASE), publisher, clock, admit)


def _genesis(plan: Plan, authorities: list[Key], clock: Clock) -> Leaf:
    owners = Owners(tuple(sorted(key.public for key in authorities)), plan.threshold)
    entry = Entry(plan.origin, ROOT, 0, Claim(owners))
    for key in authorities:
        entry = entry.signed_by(key.public, key.sign)
    return Leaf(entry, clock.unix_seconds())


def _next_key(path: Path) -> Key:
    """Returns the key that a rotation begins with, the same one where an earlier rotation was cut off."""
    return open_key(path) if path.exists() else make_key(path)


def _newest(public: Shelf, role: str) -> bytes:
    found = sorted((public.root / METADATA).glob(f"*.{role}.json"), key=lambda path: int(path.name.partition(".")[0]))
    if not found:
        raise ConfigError(f"{public.root}: no {role} metadata; `cryptlet registry init` makes it")
    return found[-1].read_bytes()


def _pins(targets: bytes) -> Pins:
    return pins_of(Metadata[Targets].from_bytes(targets))
