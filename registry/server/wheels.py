"""Wheels: what a bundle says of itself, for pages; read from its wheel file once, and kept while it is asked for."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final

from fabric.bundles.bundle import read_bundle
from fabric.core.errors import StoreError
from registry.book.book import Listing
from registry.files import Shelf
from registry.records import wheel_path
from registry.terms import Terms, terms_of_bundle

KEPT: Final = 512
"""How many bundles are remembered; their code is not."""


@dataclass(frozen=True)
class Told:
    """What a bundle says of itself.

    Attributes:
        description: one line.
        readme: Markdown; empty where it has none.
        terms: what it asks and promises.
    """

    description: str
    readme: str
    terms: Terms


class Wheels:
    """The wheel files of a registry. Any thread may ask."""

    def __init__(self, shelf: Shelf) -> None:
        """Takes where the files lie."""
        self._shelf = shelf
        self._known: OrderedDict[bytes, Told] = OrderedDict()
        self._turn = Lock()

    def tell(self, item: Listing) -> Told:
        """Returns what a published bundle says of itself.

        Raises:
            StoreError: its wheel file is not there, or is another bundle's.
            Malformed: it is spoiled.
        """
        with self._turn:
            if item.measurement in self._known:
                self._known.move_to_end(item.measurement)
                return self._known[item.measurement]
        told = self._read(item)
        with self._turn:
            self._known[item.measurement] = told
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return told

    def _read(self, item: Listing) -> Told:
        path = wheel_path(item.publication.wheel)
        data = self._shelf.read(path)
        bundle = None if data is None else read_bundle(data)
        if bundle is None or bundle.measurement != item.measurement:
            found = "no such file" if bundle is None else f"a bundle of measurement {bundle.measurement.hex()}"
            raise StoreError(
                f"{self._shelf.root / path}: expected the wheel of {item.ref}, got {found};"
                " copy it back from a mirror of this registry"
            )
        return Told(bundle.manifest.project.cryptlet.description, bundle.readme or "", terms_of_bundle(bundle))
