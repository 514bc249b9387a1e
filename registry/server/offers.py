"""Offers: the views of data services. The log holds the whole of one, and its state never changes."""

import json

from fabric.trust.standing import State
from registry.pages.views import CryptletView, DataTerms, Listing, ReleaseView, StandingView, VersionRow
from registry.server.services import Offer
from registry.terms import HardwareTerms, MethodTerms, Terms


def listing(offer: Offer) -> Listing:
    """Returns a version as an item of a list."""
    data = offer.data
    return Listing(
        namespace=offer.namespace,
        name=data.name,
        kind="data",
        description=data.description,
        version=data.version,
        standing=_standing(offer),
        logged=offer.logged,
        price=None,
        records=0,
        is_priced=False,
    )


def cryptlet_view(versions: list[Offer]) -> CryptletView | None:
    """Returns all versions of a name, which come newest first; None of none."""
    if not versions:
        return None
    newest = versions[0]
    rows = tuple(map(_row, versions))
    return CryptletView(
        namespace=newest.namespace,
        name=newest.data.name,
        kind="data",
        description=newest.data.description,
        newest=rows[0],
        versions=rows,
        readme=newest.data.readme or "",
        price=None,
        licence=newest.data.licence or "",
        usage=(),
    )


def release_view(versions: list[Offer], version: str) -> ReleaseView | None:
    """Returns one of a name's versions, which come newest first; None where it is not among them."""
    words = tuple(offer.data.version for offer in versions)
    if version not in words:
        return None
    at = words.index(version)
    offer, data = versions[at], versions[at].data
    return ReleaseView(
        namespace=offer.namespace,
        name=data.name,
        version=version,
        description=data.description,
        standing=_standing(offer),
        measurement=data.measurement,
        position=offer.position,
        logged=offer.logged,
        publisher=offer.key.hex(),
        terms=_terms(offer),
        rebuilds=(),
        usage=(),
        versions=words,
        previous=next(iter(words[at + 1 :]), None),
        readme=data.readme or "",
        data=DataTerms(
            data.schema, data.freshness_seconds, data.source.text, json.dumps(data.sample, indent=2, ensure_ascii=False)
        ),
    )


def _terms(offer: Offer) -> Terms:
    """Returns what can be compared: its value is as the output of a method that takes nothing."""
    data = offer.data
    methods = (MethodTerms("answer", "", None, data.schema),)
    source = f"{data.source.text} {data.source.url}"
    licence = data.licence or ""
    return Terms("data", (), HardwareTerms(), None, "none", licence, methods, (), data.freshness_seconds, source)


def _row(offer: Offer) -> VersionRow:
    return VersionRow(offer.data.version, _standing(offer), offer.data.measurement, offer.logged, offer.position)


def _standing(offer: Offer) -> StandingView:
    return StandingView(State.ACTIVE, "", offer.logged, offer.position)
