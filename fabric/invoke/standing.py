"""What follows from a standing: whether it is taken after another one, and whether work may start under it. Pure."""

from typing import Final

from fabric.core.clock import utc_text
from fabric.core.errors import CodeRevoked, NotVouched
from fabric.core.ids import Measurement
from fabric.trust.standing import SKEW_SECONDS, STARTS, Standing, State, explain

_RANK: Final = {state: rank for rank, state in enumerate(State)}
"""How much a state forbids."""


def objection(item: Standing, before: Standing | None, now: int) -> str:
    """Returns why a standing of a bundle is not taken, empty where it is.

    Args:
        item: what a registry says.
        before: what was taken last, of this registry or of another one; None before there was any.
        now: Unix seconds by this machine's clock.
    """
    if not item.is_signed():
        return "its signature does not hold"
    if item.issued > now + SKEW_SECONDS:
        return f"it was issued at {utc_text(item.issued)}, which is still to come: see both clocks"
    return "" if before is None else _conflict(item, before, now)


def _conflict(item: Standing, before: Standing, now: int) -> str:
    """A registry that goes back is not followed, and none undoes a revocation.

    Positions are of one log: what another registry says is taken at once where it forbids as much as what stands, else
    when that has expired.
    """
    if before.state is State.REVOKED and item.state is not State.REVOKED:
        return f"it says {item.state}, and the revocation by {before.registry} is for good"
    if item.registry == before.registry:
        goes_back = (item.position, item.issued) < (before.position, before.issued)
        return "the registry said something newer before" if goes_back else ""
    waits = _RANK[item.state] < _RANK[before.state] and now <= before.expires
    return f"registry {before.registry} says {before.state} until {utc_text(before.expires)}" if waits else ""


def check_starts(measurement: Measurement, item: Standing | None, now: int, trouble: str) -> None:
    """Checks that work of a bundle may start.

    Args:
        measurement: the bundle.
        item: its last standing, None where there never was one.
        now: Unix seconds by this machine's clock.
        trouble: why the registries did not answer last; empty where they did.

    Raises:
        CodeRevoked: it is revoked, for good.
        NotVouched: it is in quarantine, or no standing of it holds now; what was asked for may be asked again.
    """
    why = f" ({trouble})" if trouble else ""
    if item is None:
        raise NotVouched(f"no registry vouches for bundle {measurement.hex()}{why}: publish it, then try again")
    if item.state is State.REVOKED:
        raise CodeRevoked(f"{explain(item)}; bind another version")
    if now < item.issued - SKEW_SECONDS:
        raise NotVouched(f"the clock of this machine says {utc_text(now)}, before {utc_text(item.issued)}: set it")
    if now > item.expires:
        raise NotVouched(
            f"the last standing of bundle {measurement.hex()} from {item.registry} expired at {utc_text(item.expires)},"
            f" and no newer one came{why}: reach the registry or bring a newer mirror, then try again"
        )
    if item.state not in STARTS:
        raise NotVouched(f"{explain(item)}; nothing of it starts until the registry clears it: try again later")
