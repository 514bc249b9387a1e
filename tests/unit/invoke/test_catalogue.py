"""Bundles by measurement: the source is asked once and never trusted."""

from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from fabric.bundles.build import build
from fabric.core.errors import NotFound, VerificationError
from fabric.core.ids import Digest, Measurement
from fabric.invoke.catalogue import Catalogue
from fabric.trust.publication import Publication
from registry.folder import FolderRegistry
from tests.support.locked import write_locked
from tests.support.pipeline import OneBundle, binding
from tests.support.projects import COLD_CHAIN, built, signed
from tests.support.proofs import by_publisher
from tests.support.trust_samples import word

MEASUREMENT = binding().measurement


class Lying(OneBundle):
    """Gives what it is told to."""

    def __init__(self, wheel: bytes | None = None, publication: Publication | None = None) -> None:
        super().__init__()
        self.told = wheel, publication

    @override
    def get(self, measurement: Measurement) -> tuple[bytes, Publication]:
        wheel, publication = super().get(measurement)
        return self.told[0] or wheel, self.told[1] or publication


def test_a_bundle_is_fetched_once() -> None:
    source = OneBundle()
    catalogue = Catalogue(source)
    assert source.asked == 0
    listed = catalogue.get(MEASUREMENT)
    assert catalogue.get(MEASUREMENT) is listed
    assert source.asked == 1
    assert (listed.takes_file("document"), listed.takes_file("file")) == (False, True)


def test_what_is_not_there_is_asked_for_again() -> None:
    source = OneBundle()
    catalogue = Catalogue(source)
    for _ in range(2):
        with pytest.raises(NotFound):
            catalogue.get(Measurement(word("nothing")))
    assert source.asked == 2


def test_another_bundle_is_refused() -> None:
    other = built(COLD_CHAIN)
    with pytest.raises(VerificationError, match="was given another"):
        Catalogue(Lying(other.wheel, signed(other))).get(MEASUREMENT)
    with pytest.raises(VerificationError, match="was given another"):
        Catalogue(Lying(publication=signed(other))).get(MEASUREMENT)
    with pytest.raises(VerificationError, match="was given another"):
        Catalogue(Lying(wheel=other.wheel)).get(MEASUREMENT)


def test_what_a_bundle_locks_is_fetched_and_checked(tmp_path: Path) -> None:
    locked, registry = build(write_locked(tmp_path / "project")), FolderRegistry(tmp_path / "registry")
    wheels = tuple(locked.dependencies.values())
    measurement = registry.publish(locked.wheel, signed(locked), wheels)
    assert Catalogue(registry).get(measurement).dependencies == wheels

    class Swapping(FolderRegistry):
        """Gives another wheel than it was asked for."""

        @override
        def dependency(self, digest: Digest) -> bytes:
            return locked.wheel

    with pytest.raises(VerificationError, match="is locked by this hash"):
        Catalogue(Swapping(registry.root)).get(measurement)
    with pytest.raises(NotFound, match=r"greeter@1\.0\.0 locks 1 wheels, and the registry in use keeps none"):
        Catalogue(Plain(registry)).get(measurement)


class Plain:
    """A source that keeps bundles alone."""

    def __init__(self, source: FolderRegistry) -> None:
        self._source = source

    def get(self, measurement: Measurement) -> tuple[bytes, Publication]:
        return self._source.get(measurement)

    def resolve(self, name: str, version: str | None = None) -> Measurement:
        return self._source.resolve(name, version)


def test_another_name_is_refused() -> None:
    publication = OneBundle().publication
    with pytest.raises(VerificationError, match="the signature does not hold"):
        Catalogue(Lying(publication=replace(publication, version="9.9.9"))).get(MEASUREMENT)


def test_a_publisher_may_not_sign_another_name() -> None:
    renamed = replace(OneBundle().publication, name="other")
    lie = replace(renamed, signature=by_publisher(renamed))
    with pytest.raises(VerificationError, match="published under another name"):
        Catalogue(Lying(publication=lie)).get(MEASUREMENT)
