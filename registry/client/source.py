"""A fabric's bundles from served registries: found by measurement, verified, and vouched for from poll to poll.

The fabric knows measurements alone, so no name can be given to another bundle on its way. What was verified once is
kept in the cache, so that a fabric which is cut off from its registries still starts what it had; for how long it may,
the standings say. A mirror's folder stands for a registry wherever no network is.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock, SystemClock
from fabric.core.errors import ConfigError, FabricError, Malformed, NotFound, Refused, StoreError
from fabric.core.ids import Digest, Measurement, sha256
from fabric.trust.publication import Publication, parse_publication
from fabric.trust.standing import Standing
from registry.client.known import read_root
from registry.client.reader import Found, Reader
from registry.client.transport import open_location
from registry.client.trusted import Trusted
from registry.files import Shelf
from registry.names import parse_ref

FRESH_SECONDS: Final = 5.0
"""For so long metadata is not asked for again: a poll asks for many bundles at once."""
_T = TypeVar("_T")
_F = TypeVar("_F")


class _Served(BaseModel):
    """One registry of a fabric's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    url: str
    root: str


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    registries: dict[str, _Served] = Field(min_length=1, max_length=16)
    state: str


@dataclass
class _Place:
    """A registry in use.

    Attributes:
        name: as configured.
        reader: reads it.
        lock: readers keep what they read; one thread at a time.
        refreshed: when, by the monotonic clock; None before the first time.
    """

    name: str
    reader: Reader
    lock: Lock
    refreshed: float | None = None


class ServedSource:
    """Bundles of one or more served registries: a ``BundleSource`` and a ``StandingSource``."""

    def __init__(self, places: Mapping[str, Reader], cache: Path, clock: Clock) -> None:
        """Takes a reader for each registry, in the order in which they are asked."""
        self._places = [_Place(name, reader, Lock()) for name, reader in places.items()]
        self._cache = Shelf(cache)
        self._clock = clock

    def get(self, measurement: Measurement) -> tuple[bytes, Publication]:
        """Returns the wheel file and its publication.

        Raises:
            NotFound: no registry has the bundle.
            VerificationError: what one of them says does not hold.
            StoreError: one does not answer, and the bundle was not verified before.
        """
        try:
            found, wheel = self._first(lambda place: self._fetch(place, measurement))
        except StoreError:
            kept = self._kept(measurement)
            if kept is None:
                raise
            return kept
        self._keep(measurement, wheel, found.listing.publication)
        return wheel, found.listing.publication

    def dependency(self, digest: Digest) -> bytes:
        """Returns a wheel that a bundle locks, by its SHA-256; raises as ``get``."""
        try:
            _, data = self._first(lambda place: (None, place.reader.dependency(digest)))
        except StoreError:
            kept = self._cache.read(f"{digest.hex()}.whl")
            if kept is None or sha256(kept) != digest:
                raise
            return kept
        self._cache.put(f"{digest.hex()}.whl", data)
        return data

    def resolve(self, name: str, version: str | None = None) -> Measurement:
        """Returns the measurement that ``namespace/name`` stands for; raises as ``get``.

        Raises:
            Refused: several registries could be meant: whoever offers the name elsewhere would be asked next.
        """
        if len(self._places) > 1:
            names = ", ".join(place.name for place in self._places)
            raise Refused(
                f"{name[:200]!r} could be meant of {names}: take its measurement, which `cryptlet info` shows of the"
                " registry that the namespace is pinned to"
            )
        ref = parse_ref(name)
        found, _ = self._first(lambda place: (place.reader.resolve(ref.namespace, ref.name, version), b""))
        return found.listing.measurement

    def standings(self, measurements: Collection[Measurement]) -> dict[Measurement, Standing]:
        """Returns the present standings of bundles; see ``StandingSource``. A registry that fails hides no other's.

        Raises:
            StoreError: none answers.
            VerificationError: none gives what holds.
        """
        found: dict[Measurement, Standing] = {}
        errors: list[FabricError] = []
        for place in self._places:
            try:
                with place.lock:
                    self._refresh(place)
                    told = place.reader.standings(measurements)
            except FabricError as error:
                errors.append(error)
            else:
                found = told | found
        if len(errors) == len(self._places):
            raise errors[0]
        return found

    def _first(self, ask: Callable[[_Place], tuple[_F, _T]]) -> tuple[_F, _T]:
        """Asks one registry after the other; one that does not answer is told only where no other has it."""
        silent: StoreError | None = None
        missing: NotFound | None = None
        for place in self._places:
            try:
                with place.lock:
                    self._refresh(place)
                    return ask(place)
            except NotFound as error:
                missing = error
            except StoreError as error:
                silent = silent or error
        raise silent or missing or NotFound("no registry is configured")

    def _fetch(self, place: _Place, measurement: Measurement) -> tuple[Found, bytes]:
        found = place.reader.find(measurement)
        return found, place.reader.wheel(found)[0]

    def _refresh(self, place: _Place) -> None:
        now = self._clock.monotonic_seconds()
        if place.refreshed is None or now - place.refreshed >= FRESH_SECONDS:
            place.reader.refresh()
            place.refreshed = now

    def _keep(self, measurement: Measurement, wheel: bytes, publication: Publication) -> None:
        self._cache.put_all(
            {f"{measurement.hex()}.whl": wheel, f"{measurement.hex()}.json": canonical.encode(publication.to_json())}
        )

    def _kept(self, measurement: Measurement) -> tuple[bytes, Publication] | None:
        """Returns what was verified before, if it is still what it was; the measurement says that."""
        wheel, word = (self._cache.read(f"{measurement.hex()}.{suffix}") for suffix in ("whl", "json"))
        if wheel is None or word is None:
            return None
        try:
            publication = parse_publication(canonical.decode(word))
        except Malformed:
            return None
        is_whole = publication.measurement == measurement and publication.wheel == sha256(wheel)
        return (wheel, publication) if is_whole and publication.is_signed() else None


def open_source(config: Mapping[str, JsonValue]) -> ServedSource:
    """Opens served registries as a bundle source.

    Args:
        config: ``{"registries": {NAME: {"url", "root"}}, "state": FOLDER}``; ``url`` is an address or a mirror's
            folder, ``root`` the file of the root metadata that the registry is trusted by.

    Raises:
        ConfigError: another configuration, or a file or address that cannot be used.
    """
    try:
        settings = _Settings.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"registries: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    clock, state = SystemClock(), Path(settings.state)
    readers = {}
    for name, served in settings.registries.items():
        source = open_location(served.url, clock)
        trusted = Trusted(source, read_root(Path(served.root)), state / name / "trusted", state / name / "cache")
        readers[name] = Reader(source, trusted, clock)
    return ServedSource(readers, state / "bundles", clock)
