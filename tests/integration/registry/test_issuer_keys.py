"""The keys of an issuer, over HTTP: what it changes is seen, and what it does wrong costs little and is refused."""

from collections.abc import Iterator
from typing import Final

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import FabricError, PlatformError, Unauthenticated
from registry.identity.fetch import MAX_BYTES
from registry.identity.issuer import TrustedIssuer
from registry.identity.issuer_keys import MAX_AGE_SECONDS, REFRESH_SECONDS, IssuerKeys, TokenDoor
from tests.support.issuer import AUDIENCE, DISCOVERY, REPOSITORY, Issuer, running_issuer

pytestmark = pytest.mark.e2e

BOTH: Final = [DISCOVERY, "/keys"]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def door(clock: FrozenClock, deadline_seconds: float = 5.0) -> TokenDoor:
    return TokenDoor(IssuerKeys(clock, loopback=True, deadline_seconds=deadline_seconds), clock)


def trusted(issuer: Issuer, repository: str = REPOSITORY) -> TrustedIssuer:
    return TrustedIssuer(issuer.url, AUDIENCE, {"repository": repository})


def token(issuer: Issuer, clock: FrozenClock, name: str = "token-1") -> str:
    return issuer.mint.token({**issuer.mint.claims(clock.unix_seconds()), "jti": name})


def test_one_of_two_workflows_fits(issuer: Issuer, clock: FrozenClock) -> None:
    entrance, given = door(clock), token(issuer, clock)
    both = [trusted(issuer, "acme/other"), trusted(issuer)]
    assert entrance.admit(given, both).values["repository"] == REPOSITORY
    assert issuer.asked == BOTH


def test_keys_are_kept_for_an_hour(issuer: Issuer, clock: FrozenClock) -> None:
    keys = IssuerKeys(clock, loopback=True)
    keys.keys(issuer.url)
    clock.advance(MAX_AGE_SECONDS - 1)
    keys.keys(issuer.url, "first")
    assert issuer.asked == BOTH
    clock.advance(1)
    keys.keys(issuer.url, "first")
    assert issuer.asked == BOTH * 2


def test_a_new_key_is_found_and_the_old_one_no_longer_counts(issuer: Issuer, clock: FrozenClock) -> None:
    entrance, old = door(clock), token(issuer, clock, "old")
    entrance.admit(token(issuer, clock), [trusted(issuer)])
    issuer.mint.rotate("second")
    clock.advance(REFRESH_SECONDS)
    assert entrance.admit(token(issuer, clock, "new"), [trusted(issuer)]).token == "new"  # noqa: S105 - a token's id
    with pytest.raises(Unauthenticated, match="none of the issuer's 1"):
        entrance.admit(old, [trusted(issuer)])


def test_names_of_no_keys_are_no_flood(issuer: Issuer, clock: FrozenClock) -> None:
    entrance = door(clock)
    for number in range(20):
        with pytest.raises(Unauthenticated, match="for its signature"):
            entrance.admit(issuer.mint.token({"iss": issuer.url}, kid=str(number)), [trusted(issuer)])
    assert issuer.asked == BOTH


def test_an_issuer_that_nobody_trusts_is_not_asked(issuer: Issuer, clock: FrozenClock) -> None:
    given = token(issuer, clock)
    with pytest.raises(Unauthenticated, match="for its iss"):
        door(clock).admit(given, [TrustedIssuer("https://issuer.example", AUDIENCE, {"repository": REPOSITORY})])
    with pytest.raises(Unauthenticated, match="trusts no issuer"):
        door(clock).admit(given, [])
    assert issuer.asked == []


def test_this_machine_is_asked_only_for_development(issuer: Issuer, clock: FrozenClock) -> None:
    with pytest.raises(Unauthenticated, match="on this machine"):
        IssuerKeys(clock).keys(issuer.url)
    assert issuer.asked == []


def refused(issuer: Issuer, kind: type[FabricError], deadline_seconds: float = 5.0) -> str:
    clock = FrozenClock()
    with pytest.raises(kind) as caught:
        door(clock, deadline_seconds).admit(token(issuer, clock), [trusted(issuer)])
    return str(caught.value)


def test_a_huge_key_set_is_not_read(issuer: Issuer) -> None:
    issuer.lies.padding = MAX_BYTES
    assert f"at most {MAX_BYTES} bytes" in refused(issuer, Unauthenticated)


def test_a_slow_issuer_is_left_at_the_deadline(issuer: Issuer) -> None:
    issuer.lies.stalls = True
    assert "no whole answer within 0.3 s" in refused(issuer, PlatformError, 0.3)


def test_an_issuer_that_drips_is_left_at_the_deadline(issuer: Issuer) -> None:
    """Each of its bytes comes in time, so that no timeout of a socket ends it."""
    issuer.lies.drips = True
    assert "no whole answer within 0.3 s" in refused(issuer, PlatformError, 0.3)


def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    with running_issuer() as other:
        issuer.lies.redirect = other.url
        assert f"redirects to '{other.url}" in refused(issuer, Unauthenticated)
        assert other.asked == []


def test_a_document_of_another_issuer_is_refused(issuer: Issuer) -> None:
    issuer.lies.says = "https://issuer.example"
    assert "of another issuer" in refused(issuer, Unauthenticated)


def test_an_issuer_in_trouble_may_be_asked_again(issuer: Issuer) -> None:
    issuer.lies.status = 503
    assert "got 503" in refused(issuer, PlatformError)


def test_an_issuer_that_is_gone_may_be_asked_again() -> None:
    with running_issuer() as issuer:
        pass
    assert "is the issuer up" in refused(issuer, PlatformError)
