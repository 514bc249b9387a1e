"""A registry in a folder: bundles and publications by measurement, and an index of names.

Layout: ``bundles/<measurement>.whl``, ``publications/<measurement>.json``, ``dependencies/<sha256>.whl``,
``index/<name>.json`` (version -> measurement). A file appears whole or not at all, is never changed, and is checked
whenever it is read: who can write to the folder can take bundles away, and can pass off none for another.
"""

import difflib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fabric.bundles.bundle import Bundle, read_bundle
from fabric.bundles.lock import check_contents, take_wheels
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import ConfigError, Malformed, NotFound, Refused, StoreError, VerificationError
from fabric.core.ids import Digest, Measurement, parse_word, sha256
from fabric.core.plugins import nearest
from fabric.trust.publication import Publication, parse_publication

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?", re.ASCII)


class FolderRegistry:
    """A registry in a folder; also a ``BundleSource``.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        """Takes the folder; it is made when something is published."""
        self.root: Final = root

    def get(self, measurement: Measurement) -> tuple[bytes, Publication]:
        """Returns the wheel file and its publication, both checked against the measurement.

        Raises:
            NotFound: no such bundle.
            VerificationError: a file is not what was published; its step is the file's path in the registry.
        """
        path = f"publications/{measurement.hex()}.json"
        publication = self._publication(path)
        if publication.measurement != measurement:
            raise VerificationError(path, f"is of measurement {publication.measurement.hex()}: it was changed")
        if not publication.is_signed():
            raise VerificationError(path, "its signature is not of the publisher it names: it was changed")
        wheel_path = f"bundles/{measurement.hex()}.whl"
        wheel = self._read(wheel_path)
        if sha256(wheel) != publication.wheel:
            raise VerificationError(
                wheel_path,
                f"its SHA-256 is {sha256(wheel).hex()}, published was {publication.wheel.hex()}: it was changed",
            )
        return wheel, publication

    def resolve(self, name: str, version: str | None = None) -> Measurement:
        """Returns the measurement that a name bears; without a version, that of the newest release.

        Raises:
            NotFound: no such name or version; names the nearest.
            VerificationError: the index was changed.
        """
        versions = self._index(name)
        if not versions:
            raise NotFound(f"no cryptlet {name!r} in this registry{nearest(name, self.names())}")
        wanted = version or max(versions, key=_rank)
        if wanted not in versions:
            raise NotFound(f"no version {wanted!r} of {name}{nearest(wanted, sorted(versions, key=_rank))}")
        measurement = versions[wanted]
        found = self._publication(f"publications/{measurement.hex()}.json")
        if (found.name, found.version) != (name, wanted):
            raise VerificationError(
                f"index/{name}.json", f"{wanted} leads to {found.name}@{found.version}: it was changed"
            )
        return measurement

    def names(self) -> list[str]:
        """Returns the names of all published cryptlets, sorted."""
        return sorted(path.stem for path in (self.root / "index").glob("*.json"))

    def dependency(self, digest: Digest) -> bytes:
        """Returns a wheel that bundles lock, by its SHA-256; checked.

        Raises:
            NotFound: no such wheel.
            VerificationError: the file is another than it was.
        """
        path = f"dependencies/{digest.hex()}.whl"
        wheel = self._read(path)
        if sha256(wheel) != digest:
            raise VerificationError(path, f"its SHA-256 is {sha256(wheel).hex()}: it was changed")
        return wheel

    def publish(self, wheel: bytes, publication: Publication, dependencies: Sequence[bytes] = ()) -> Measurement:
        """Takes in a bundle; a repeat of the same is a success without effect.

        Args:
            wheel: the wheel file.
            publication: its publisher's word.
            dependencies: the wheels that it locks, in any order.

        Raises:
            Malformed: the wheel is no bundle, or other dependencies are given than it locks.
            Refused: the publication is not signed, says something else than the bundle, its name and version are
                taken by another measurement, or another publisher published the bundle before.
            StoreError: the folder cannot be written.
        """
        bundle = read_bundle(wheel)
        _check_agreement(bundle, publication)
        project = bundle.manifest.project
        wheels = take_wheels(project.dependencies, dependencies, project.source.package)
        check_contents(project.dependencies, wheels)
        name, version, measurement = publication.name, publication.version, bundle.measurement
        try:
            with self._locked():
                versions = self._index(name)
                taken = versions.get(version, measurement)
                if taken != measurement:
                    raise Refused(
                        f"{name}@{version} is published with measurement {taken.hex()} and stays so;"
                        f" this bundle has {measurement.hex()}: give it a new version"
                    )
                self._check_publisher(publication)
                for one in wheels.values():
                    self._write(f"dependencies/{sha256(one).hex()}.whl", one)
                self._write(f"bundles/{measurement.hex()}.whl", wheel)
                self._write(f"publications/{measurement.hex()}.json", canonical.encode(publication.to_json()))
                index: JsonObject = {key: value.hex() for key, value in {**versions, version: measurement}.items()}
                self._write(f"index/{name}.json", canonical.encode(index))
        except OSError as error:
            raise StoreError(f"registry folder {self.root}: {error.strerror or error}") from error
        return measurement

    def _check_publisher(self, publication: Publication) -> None:
        """Refuses to put one publisher's word in the place of another's."""
        path = f"publications/{publication.measurement.hex()}.json"
        if not (self.root / path).is_file():
            return
        first = self._publication(path).signature.key
        if first != publication.signature.key:
            raise Refused(
                f"{publication.name}@{publication.version} was published by {first.hex()} and stays so;"
                f" the key that was given is {publication.signature.key.hex()}"
            )

    def _publication(self, path: str) -> Publication:
        try:
            return parse_publication(canonical.decode(self._read(path)))
        except Malformed as error:
            raise VerificationError(path, f"{error}: it was changed") from error

    def _index(self, name: str) -> dict[str, Measurement]:
        """Returns measurement by version; empty where the name is unknown."""
        path = f"index/{name}.json"
        if not _NAME.fullmatch(name) or not (self.root / path).is_file():
            return {}
        try:
            index = canonical.decode_object(self._read(path))
            if not all(_VERSION.fullmatch(version) for version in index):
                raise Malformed("index", "expected versions")  # noqa: TRY301 - one place names the file
            return {version: Measurement(parse_word(value, version)) for version, value in index.items()}
        except Malformed as error:
            raise VerificationError(path, f"{error}: it was changed") from error

    def _read(self, path: str) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"registry {self.root} holds no {path}; `cryptlet publish` adds a bundle") from error
        except OSError as error:
            raise StoreError(f"registry file {path}: {error.strerror or error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lets one publisher at a time read and write the index."""
        for folder in ("bundles", "dependencies", "publications", "index"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it when the process ends, however it ends
            yield

    def _write(self, path: str, data: bytes) -> None:
        """Puts a file in place whole, and durably before anything that names it."""
        target = self.root / path
        scratch = target.with_name(f".{target.name}.new")  # the lock is held: nobody else uses the name
        with scratch.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def open_source(config: Mapping[str, JsonValue]) -> FolderRegistry:
    """Opens a registry folder as a bundle source.

    Args:
        config: ``{"path": "<folder>"}``.

    Raises:
        ConfigError: another configuration.
    """
    for key in config:
        if key != "path":
            close = difflib.get_close_matches(key, ["path"], 1)
            raise ConfigError(f"folder registry: unknown key {key!r}" + (" - did you mean 'path'?" if close else ""))
    path = config.get("path")
    if not isinstance(path, str) or not path:
        raise ConfigError("folder registry: expected path, the registry's folder")
    return FolderRegistry(Path(path))


def _check_agreement(bundle: Bundle, publication: Publication) -> None:
    identity = bundle.manifest.project.cryptlet
    said = (publication.name, publication.version, publication.kind, publication.wheel, publication.lock)
    if said != (identity.name, identity.version, identity.kind, bundle.wheel_digest, bundle.lock_digest):
        raise Refused(f"the publication speaks of {publication.name}@{publication.version}, not of this bundle")
    if not publication.is_signed():
        raise Refused(f"{publication.name}@{publication.version}: the signature is not of the publisher it names")


def _rank(version: str) -> tuple[bool, tuple[int, ...], str, int]:
    """Orders versions; every release stands above every pre-release, so that none is taken unasked."""
    found = _VERSION.fullmatch(version)
    assert found  # noqa: S101 - the index is checked when it is read
    release = tuple(int(part) for part in found.group(1, 2, 3))
    return found.group(4) is None, release, found.group(4) or "", int(found.group(5) or 0)
