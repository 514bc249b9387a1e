"""Mirror: a plain folder with everything that a reader asks for, which any web server can hand out."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from fabric.bundles.bundle import read_bundle
from fabric.core.errors import NotFound
from registry.book.book import Listing
from registry.client.audit import Audited, Tell, audit
from registry.client.reader import Reader
from registry.client.transport import Source
from registry.files import Shelf
from registry.log.paths import CHECKPOINT, HEIGHT, WIDTH, entry_tile, hash_tile, width_of
from registry.records import standings_path, wheel_path

_ROOT_BYTES: Final = 512_000
_TILE_BYTES: Final = WIDTH * 65_537
_STANDINGS_BYTES: Final = 32 << 20


def mirror(reader: Reader, source: Source, folder: Path, tell: Tell) -> Audited:
    """Audits a registry and copies it; the file that makes the copy current is written last.

    A mirror holds no key. It is current until the registry's timestamp and standings expire: run this again before.

    Raises:
        VerificationError, StoreError: as ``audit``; the folder keeps its former state.
    """
    audited = audit(reader, tell)
    shelf = Shelf(folder)
    for item in audited.book.listings.values():
        path = wheel_path(item.publication.wheel)
        if not shelf.has(path):
            _copy_wheels(reader, shelf, item)
    for path, data in reader.target_files():
        if not shelf.has(path):
            shelf.put(path, data)
    for path in _tiles(audited.checkpoint.size):
        if not shelf.has(path):
            shelf.put(path, source.read(path, _TILE_BYTES))
    for path in sorted({standings_path(measurement) for measurement in audited.book.listings}):
        shelf.put(path, source.read(path, _STANDINGS_BYTES))
    shelf.put(f"log/{CHECKPOINT}", reader.note)
    _copy_metadata(reader, source, shelf)
    tell(f"mirror: {folder} has {len(audited.book.listings)} bundles and {audited.checkpoint.size} entries")
    return audited


def _copy_wheels(reader: Reader, shelf: Shelf, item: Listing) -> None:
    """Copies what a bundle locks, then its own wheel: where that is, the others are."""
    data = reader.wheel_file(item)
    for locked in read_bundle(data).manifest.project.dependencies:
        shelf.put(wheel_path(locked.digest), reader.dependency(locked.digest))
    shelf.put(wheel_path(item.publication.wheel), data)


def _copy_metadata(reader: Reader, source: Source, shelf: Shelf) -> None:
    """Copies what this reader has verified: a newer timestamp than that would name files that are not here."""
    roots = reader.root_files()
    for name, data in roots:
        shelf.put(f"metadata/{name}", data)
    # Older ones than this reader began with serve those who know still older ones, and they verify them.
    for version in range(1, int(roots[0][0].partition(".")[0])):
        path = f"metadata/{version}.root.json"
        if not shelf.has(path):
            with suppress(NotFound):
                shelf.put(path, source.read(path, _ROOT_BYTES))
    for name, data in reader.metadata_files():
        shelf.put(f"metadata/{name}", data)


def _tiles(size: int) -> Iterator[str]:
    """Yields the paths of a log's tiles."""
    level = 0
    while size >> HEIGHT * level:
        for index in range(-(-(size >> HEIGHT * level) // WIDTH)):
            yield f"log/{hash_tile(level, index, width_of(level, index, size))}"
        level += 1
    for index in range(-(-size // WIDTH)):
        yield f"log/{entry_tile(index, min(WIDTH, size - index * WIDTH))}"
