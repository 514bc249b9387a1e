"""Port to where bundles come from: asked by measurement, answered with bytes that the asker checks again."""

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from fabric.core.ids import Digest, Measurement
from fabric.trust.publication import Publication
from fabric.trust.standing import Standing


class BundleSource(Protocol):
    """A registry as the fabric sees it. Plug-ins: entry point ``cryptlet.bundle_sources``.

    ``open_source(config: Mapping[str, JsonValue]) -> BundleSource`` makes one. Its methods may wait for a disk or a
    network: call them from a thread. One that also keeps dependencies is a ``DependencySource``; one that tells
    what bundles are worth by now is a ``StandingSource``.
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
            VerificationError: what is stored is not what was published.
        """
        ...


@runtime_checkable
class DependencySource(Protocol):
    """A registry that keeps the wheels of others which bundles lock by hash."""

    def dependency(self, digest: Digest) -> bytes:
        """Returns a wheel by its SHA-256.

        Raises:
            NotFound: no such wheel.
            VerificationError: what is stored has another hash.
        """
        ...


@runtime_checkable
class StandingSource(Protocol):
    """A registry that vouches for its bundles from hour to hour; a plain folder does not."""

    def standings(self, measurements: Collection[Measurement]) -> Mapping[Measurement, Standing]:
        """Asks for the present standing of bundles, all at once; each has a signature of the registry that holds.

        One that the registry does not know is left out.

        Raises:
            StoreError: the registry does not answer; what it said before holds until it expires.
            VerificationError: what it says does not hold.
        """
        ...
