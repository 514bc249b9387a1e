"""Bundles by measurement: the source is asked once and never trusted."""

from dataclasses import replace

import pytest
from typing_extensions import override

from fabric.core.errors import NotFound, VerificationError
from fabric.core.ids import Measurement
from fabric.invoke.catalogue import Catalogue
from fabric.trust.publication import Publication
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


def test_another_name_is_refused() -> None:
    publication = OneBundle().publication
    with pytest.raises(VerificationError, match="the signature does not hold"):
        Catalogue(Lying(publication=replace(publication, version="9.9.9"))).get(MEASUREMENT)


def test_a_publisher_may_not_sign_another_name() -> None:
    renamed = replace(OneBundle().publication, name="other")
    lie = replace(renamed, signature=by_publisher(renamed))
    with pytest.raises(VerificationError, match="published under another name"):
        Catalogue(Lying(publication=lie)).get(MEASUREMENT)
