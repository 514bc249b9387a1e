"""The registry with 10,000 bundles: what a cold client and a warm check cost, and how fast a revocation is seen.

The log is written into the database at once, since 10,000 requests would take the bench hours; everything after that is
the registry's own doing, read over HTTP on loopback. The wheels themselves are never asked for.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.figures import Figure
from fabric.core import canonical
from fabric.core.clock import SystemClock
from fabric.core.ids import Digest, Measurement, sha256
from fabric.trust.publication import Publication
from fabric.trust.schemes import ED25519, Signature
from fabric.trust.standing import State
from registry.book.bodies import Body, Change, Claim, Owners, Release
from registry.book.entry import Entry, Leaf
from registry.client.reader import Reader
from registry.client.transport import Web
from registry.client.trusted import Trusted
from registry.house.founding import DATABASE, Plan, found, open_house
from registry.house.registry import Registry
from registry.house.store import open_store
from registry.server.app import make_app
from registry.tuf.keys import Key, open_keys
from tests.support.registry_server import serving

BUNDLES: Final = 10_000
_REPEATS: Final = 9
_ORIGIN: Final = "bench.test/registry"


def _publication(number: int, key: Key) -> Publication:
    empty = Signature(ED25519, key.public, bytes(64))
    wheel, lock = Digest(sha256(f"wheel {number}".encode())), Digest(sha256(b"[]"))
    unsigned = Publication(f"name-{number}", "1.0.0", "utility", wheel, lock, empty)
    return replace(unsigned, signature=Signature(ED25519, key.public, key.sign(canonical.encode(unsigned.fields))))


def _entries(key: Key, authorities: list[Key]) -> Iterator[Entry]:
    def signed(sequence: int, body: Body, keys: list[Key]) -> Entry:
        entry = Entry(_ORIGIN, "acme", sequence, body)
        for each in keys:
            entry = entry.signed_by(each.public, each.sign)
        return entry

    yield signed(0, Claim(Owners((key.public,), 1)), [key, *authorities])
    for number in range(BUNDLES):
        yield signed(number + 1, Release(_publication(number, key), 1_000), [key])


async def _fill(folder: Path, key: Key) -> None:
    clock = SystemClock()
    await found(Plan(folder / "registry", folder / "ceremony", _ORIGIN), clock)
    store = open_store(folder / "registry" / DATABASE)
    leaves = [Leaf(entry, clock.unix_seconds()) for entry in _entries(key, open_keys(folder / "ceremony", "authority"))]
    await store.append_all(1, [(leaf.entry.digest, leaf.encoded) for leaf in leaves])
    await store.aclose()


def _reader(folder: Path, name: str, url: str) -> Reader:
    root = (folder / "ceremony" / "root.json").read_bytes()
    web = Web(url)
    return Reader(web, Trusted(web, root, folder / name / "state", folder / name / "cache"), SystemClock())


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


async def measure(folder: Path) -> list[Figure]:
    """Returns the registry's figures."""
    key = Key(Ed25519PrivateKey.generate())
    await _fill(folder, key)
    with open_house(folder / "registry", SystemClock(), lambda _book, _entry: None) as registry:
        try:
            await registry.load()
            async with serving(make_app(registry)) as url:
                return await asyncio.to_thread(_read, folder, url) + [await _revoke(registry, folder, (url, key))]
        finally:
            await registry.aclose()


def _read(folder: Path, url: str) -> list[Figure]:
    measurements = _measurements(folder, url)

    def cold(number: int) -> None:
        reader = _reader(folder, f"cold-{number}", url)
        reader.refresh()
        reader.find(measurements[number])
        reader.standings([measurements[number]])

    def warm() -> None:
        reader = _reader(folder, "cold-0", url)
        reader.refresh()
        reader.standings([measurements[0]])

    colds = [_timed(lambda number=number: cold(number)) for number in range(_REPEATS)]  # type: ignore[misc] # the default binds it
    warms = [_timed(warm) for _ in range(_REPEATS)]
    return [
        Figure("registry of 10,000 bundles: cold client, one bundle", median(colds), "ms", None, "<= 100 ms"),
        Figure("registry of 10,000 bundles: warm check", median(warms), "ms", None, "<= 15 ms"),
    ]


def _measurements(folder: Path, url: str) -> list[Measurement]:
    reader = _reader(folder, "names", url)
    reader.refresh()
    return [reader.versions("acme", f"name-{number}")["1.0.0"] for number in range(_REPEATS)]


async def _revoke(registry: Registry, folder: Path, how: tuple[str, Key]) -> Figure:
    """Measures from the revocation's submission until a client that polls without a pause sees it."""
    url, key = how
    item = registry.book.find("acme", f"name-{BUNDLES - 1}")
    holding = registry.book.holdings["acme"]
    entry = Entry(_ORIGIN, "acme", holding.sequence, Change(item.measurement, State.REVOKED, "bench"))
    reader = await asyncio.to_thread(_reader, folder, "revoked", url)
    await asyncio.to_thread(reader.refresh)
    begun = time.perf_counter()
    await registry.submit(entry.signed_by(key.public, key.sign))

    def seen() -> bool:
        reader.refresh()
        return reader.standings([item.measurement])[item.measurement].state is State.REVOKED

    while not await asyncio.to_thread(seen):
        pass
    took = (time.perf_counter() - begun) * 1000
    return Figure(
        "revocation: submitted to seen by a polling client", took, "ms", None, "stated; then the poll interval"
    )
