"""Port to where bundles come from: asked by measurement, answered with bytes that the asker checks again."""

from typing import Protocol

from fabric.core.ids import Measurement
from fabric.trust.publication import Publication


class BundleSource(Protocol):
    """A registry as the fabric sees it. Plug-ins: entry point ``cryptlet.bundle_sources``.

    ``open_source(config: Mapping[str, JsonValue]) -> BundleSource`` makes one.
    """

    def get(self, measurement: Measurement) -> tuple[bytes, Publication]:
        """Returns the wheel file and its publication.

        Raises:
            NotFound: no such bundle.
            VerificationError: what is stored is not what was published.
        """
        ...

    def resolve(self, name: str, version: str | None = None) -> Measurement:
        """Returns the measurement that a name bears.

        Args:
            name: name of the cryptlet.
            version: its version; None for the newest release.

        Raises:
            NotFound: no such name or version; names the nearest.
        """
        ...
