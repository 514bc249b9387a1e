"""The bundles that an enclave has loaded: checked against their publication, kept in its private folder."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fabric.bundles.bundle import Bundle as ReadBundle
from fabric.bundles.bundle import read_bundle
from fabric.bundles.lock import take_wheels
from fabric.bundles.manifest import Project
from fabric.bundles.native import Machine, check_fit
from fabric.core import canonical
from fabric.core.errors import NotFound, Refused
from fabric.core.ids import Measurement, sha256
from fabric.enclave.containers.model import Bundle
from fabric.trust.publication import Publication, parse_publication

MAX_BUNDLES: Final = 256
MAX_PUBLICATION_BYTES: Final = 65_536


class UnknownBundle(NotFound):
    """The bundle of a binding is not loaded; load it and ask again."""

    code = "unknown-bundle"


@dataclass(frozen=True)
class LoadedBundle:
    """A bundle that may run.

    Attributes:
        bundle: what the containers need.
        title: ``name@version``.
        methods: names of its methods.
        capabilities: what it asks for.
    """

    bundle: Bundle
    title: str
    methods: frozenset[str]
    capabilities: frozenset[str] = frozenset()


class BundleShelf:
    """Loaded bundles by measurement; beyond ``MAX_BUNDLES`` the longest unused one is dropped."""

    def __init__(self, folder: Path) -> None:
        """Keeps wheels in a folder of its own."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._bundles: OrderedDict[Measurement, LoadedBundle] = OrderedDict()

    def load(self, wheel: bytes, publication: bytes, dependencies: Sequence[bytes] = ()) -> Measurement:
        """Checks a bundle and keeps it; loading it again is a success.

        Args:
            wheel: the wheel file.
            publication: its publication, canonical JSON; whether its publisher is trusted, a verifier's policy decides.
            dependencies: the wheels that it locks, in any order.

        Raises:
            Malformed: not a publication, not a bundle, or other wheels than it locks.
            Refused: the wheel is not what was published, or stands on a binary wheel for another machine; names the
                cryptlet and what differs.
        """
        published = parse_publication(canonical.decode(publication, max_bytes=MAX_PUBLICATION_BYTES))
        title = f"{published.name}@{published.version}"
        _check_publication(published, wheel, title)
        if published.measurement not in self._bundles:
            self._keep(published, wheel, title, dependencies)
        self._bundles.move_to_end(published.measurement)
        return published.measurement

    def get(self, measurement: Measurement) -> LoadedBundle:
        """Returns a loaded bundle; raises ``UnknownBundle``."""
        loaded = self._bundles.get(measurement)
        if loaded is None:
            message = f"bundle {measurement.hex()} is not loaded"
            raise UnknownBundle(message)
        self._bundles.move_to_end(measurement)
        return loaded

    def drop(self, measurement: Measurement) -> None:
        """Forgets a bundle; one that is not loaded is forgotten already."""
        loaded = self._bundles.pop(measurement, None)
        if loaded is not None:
            loaded.bundle.wheel.unlink(missing_ok=True)

    def _keep(self, published: Publication, wheel: bytes, title: str, dependencies: Sequence[bytes]) -> None:
        read = read_bundle(wheel)
        identity = read.manifest.project.cryptlet
        if read.manifest.title != title or identity.kind != published.kind:
            message = f"bundle {title}: the wheel says of itself {read.manifest.title}, a {identity.kind} cryptlet"
            raise Refused(message)
        if read.measurement != published.measurement:
            message = (
                f"bundle {title}: measurement {read.measurement.hex()}, published is {published.measurement.hex()}"
            )
            raise Refused(message)
        project = read.manifest.project
        try:
            check_fit(project.native, Machine.here())
        except ValueError as error:
            raise Refused(f"bundle {title} cannot run in this enclave: {error}") from error
        files = [wheel, *take_wheels(project.dependencies, dependencies, project.source.package).values()]
        path = self._folder / f"{read.measurement.hex()}.whl"
        _write(path, b"".join(files))
        bundle = bundle_in(path, read, files)
        asked = frozenset(project.capabilities)
        self._bundles[read.measurement] = LoadedBundle(bundle, title, frozenset(read.manifest.methods), asked)
        if len(self._bundles) > MAX_BUNDLES:
            self._bundles.popitem(last=False)[1].bundle.wheel.unlink()


def bundle_in(path: Path, bundle: ReadBundle, files: Sequence[bytes]) -> Bundle:
    """Returns what the containers need of a bundle.

    Args:
        path: the file that holds ``files`` one behind another.
        bundle: what was read from the first of them.
        files: its wheel, and those that it stands on in the order of its lock.
    """
    return project_in(path, bundle.measurement, bundle.manifest.project, files)


def project_in(path: Path, measurement: bytes, project: Project, files: Sequence[bytes]) -> Bundle:
    """Returns the same of a project that is no whole bundle yet.

    Args:
        path: as in ``bundle_in``.
        measurement: what its containers go by, 32 bytes.
        project: its manifest.
        files: as in ``bundle_in``.
    """
    locked = sorted(project.dependencies, key=lambda one: one.name)
    unpacked = tuple(place for place, one in enumerate(locked, 1) if one.needs is not None)
    return Bundle(measurement, path, project.cryptlet.entry, tuple(map(len, files)), unpacked)


def _check_publication(published: Publication, wheel: bytes, title: str) -> None:
    if not published.is_signed():
        message = f"bundle {title}: the publisher's signature does not hold"
        raise Refused(message)
    if sha256(wheel) != published.wheel:
        message = (
            f"bundle {title} is not the published one: wheel {sha256(wheel).hex()}, published {published.wheel.hex()}"
        )
        raise Refused(message)


def _write(path: Path, wheel: bytes) -> None:
    """Writes a wheel that nobody but this user reads and that is whole or not there."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(wheel)
    draft.replace(path)
