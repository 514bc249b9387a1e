"""The bundles that bindings name: fetched from the source once, by measurement, checked, kept in memory."""

import asyncio
from dataclasses import dataclass
from typing import Final

from fabric.bundles.bundle import read_bundle
from fabric.bundles.lock import check_contents, take_wheels
from fabric.bundles.manifest import Manifest
from fabric.bundles.source import BundleSource, DependencySource
from fabric.core.errors import Malformed, NotFound, VerificationError
from fabric.core.ids import Measurement
from fabric.invoke.watch import NoWatch, Watch
from fabric.trust.publication import Publication


@dataclass(frozen=True)
class Listed:
    """A bundle as the fabric uses it.

    Attributes:
        wheel: the wheel file.
        publication: its publisher's word.
        manifest: what it says about itself.
        dependencies: the wheels that it stands on, in the order of its lock.
    """

    wheel: bytes
    publication: Publication
    manifest: Manifest
    dependencies: tuple[bytes, ...] = ()

    def takes_file(self, method: str) -> bool:
        """Says whether a method takes a raw file instead of JSON."""
        return self.manifest.methods[method]["input"] is None


class Catalogue:
    """Bundles by measurement. The source is not trusted: what it gives is measured again.

    Attributes:
        watch: says what may start, bind or count.
    """

    def __init__(self, source: BundleSource, watch: Watch | None = None) -> None:
        """Takes the source, and who watches what it vouches for; nothing is fetched yet."""
        self._source = source
        self.watch: Final[Watch] = watch or NoWatch()
        self._listed: dict[Measurement, Listed] = {}

    async def fetch(self, measurement: Measurement) -> Listed:
        """Returns a bundle, and waits for its source in a thread where it has to be asked; raises as ``get``."""
        if measurement not in self._listed:
            listed = await asyncio.to_thread(self._fetch, measurement)
            self._listed.setdefault(measurement, listed)
        return self._listed[measurement]

    def get(self, measurement: Measurement) -> Listed:
        """Returns a bundle.

        Raises:
            NotFound: the source has no such bundle, or not a wheel that it locks.
            VerificationError: step ``publication``: other bytes than were asked for, or a signature that fails.
        """
        if measurement not in self._listed:
            self._listed[measurement] = self._fetch(measurement)
        return self._listed[measurement]

    def _fetch(self, measurement: Measurement) -> Listed:
        wheel, publication = self._source.get(measurement)
        bundle = read_bundle(wheel)
        if bundle.measurement != measurement or publication.measurement != measurement:
            raise VerificationError("publication", f"asked for bundle {measurement.hex()}, was given another")
        if not publication.is_signed():
            raise VerificationError("publication", f"bundle {measurement.hex()}: the signature does not hold")
        identity = bundle.manifest.project.cryptlet
        if (identity.name, identity.version) != (publication.name, publication.version):
            raise VerificationError("publication", f"bundle {measurement.hex()} is published under another name")
        return Listed(wheel, publication, bundle.manifest, self._dependencies(bundle.manifest))

    def _dependencies(self, manifest: Manifest) -> tuple[bytes, ...]:
        locked = manifest.project.dependencies
        if not locked:
            return ()
        if not isinstance(self._source, DependencySource):
            message = (
                f"{manifest.title} locks {len(locked)} wheels, and the registry in use keeps none; use one that does"
            )
            raise NotFound(message)
        wheels = [self._source.dependency(one.digest) for one in locked]
        try:
            taken = take_wheels(locked, wheels, manifest.project.source.package)
            check_contents(locked, taken)
            return tuple(taken.values())
        except Malformed as error:
            raise VerificationError("publication", f"{manifest.title}: {error}") from error
