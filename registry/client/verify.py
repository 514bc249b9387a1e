"""Verify a reference: the reader's steps 1 to 6, then what depends on its user's policy (docs/spec/registry.md, 6).

7.  ``state``: the bundle may be bound.
8.  ``rebuilds``: as many independent publishers as asked for built it again and got the same bytes; their keys were
    their own by then.
9.  ``capabilities``: it asks for no more than the version in use, unless that is accepted.
10. ``lock``: it is the one that the lock file pins.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fabric.bundles.bundle import Bundle
from fabric.core.clock import utc_text
from fabric.core.errors import VerificationError
from fabric.trust.standing import BINDS, Standing
from registry.book.words import rank
from registry.client.lock import Lock, Pin
from registry.client.reader import Found, Reader
from registry.names import Ref

STEPS = ("tuf", "log", "record", "rules", "bundle", "standing", "state", "rebuilds", "capabilities", "lock")


@dataclass(frozen=True)
class Demands:
    """What a user asks of a bundle beyond the rules.

    Attributes:
        rebuilds: how many independent rebuilds at least.
        rebuilders: namespaces whose rebuilds count; empty for all but the publisher's own.
        accept_more: whether it may ask for more than the version in use.
    """

    rebuilds: int = 0
    rebuilders: tuple[str, ...] = ()
    accept_more: bool = False


@dataclass(frozen=True)
class Report:
    """A verified bundle.

    Attributes:
        found: what the registry says.
        bundle: the bundle itself.
        wheel: its file.
        standing: the registry's word on it.
        asks_for_more: capabilities beyond those of the version in use.
        pin: what a lock file notes of it.
    """

    found: Found
    bundle: Bundle
    wheel: bytes
    standing: Standing
    asks_for_more: tuple[str, ...]
    pin: Pin


def examine(reader: Reader, ref: Ref, lock: Lock, demands: Demands) -> Report:
    """Verifies a reference but for the lock, steps 1 to 9; a refreshed reader is given.

    Raises:
        NotFound: no such reference.
        VerificationError: names the step that failed.
        StoreError: the registry does not answer.
    """
    found = reader.resolve(ref.namespace, ref.name, ref.version)
    wheel, bundle = reader.wheel(found)
    standing = reader.standings([bundle.measurement]).get(bundle.measurement)
    item, turn = found.listing, found.listing.now
    if standing is None or (standing.state, standing.position) != (turn.state, turn.position):
        raise VerificationError("standing", f"{item.ref}: the log says {turn.state}, the registry's word differs")
    if standing.state not in BINDS:
        raise VerificationError(
            "state", f"{item.ref} is {turn.state} since {utc_text(turn.since)}: {turn.reason}; take another"
        )
    _check_rebuilds(found, demands)
    capabilities = bundle.manifest.project.capabilities
    more = _more(capabilities, item.ref, lock)
    if more and not demands.accept_more:
        raise VerificationError(
            "capabilities",
            f"{item.ref} asks for more than the one in use: {', '.join(more)}; --accept-more allows it",
        )
    pin = Pin(item.ref, found.pins.origin, item.measurement, item.position, tuple(capabilities))
    return Report(found, bundle, wheel, standing, more, pin)


def verify(reader: Reader, ref: Ref, lock: Lock, demands: Demands) -> Report:
    """Verifies a reference, all steps; raises as ``examine``, and at step ``lock``."""
    report = examine(reader, ref, lock, demands)
    lock.check(report.pin)
    return report


def _check_rebuilds(found: Found, demands: Demands) -> None:
    item = found.listing
    rebuilders = found.book.rebuilders(item)
    counted = [name for name in rebuilders if not demands.rebuilders or name in demands.rebuilders]
    if len(counted) < demands.rebuilds:
        stolen = sorted(item.rebuilds.keys() - set(rebuilders))
        passed = f"; not counted, for its key was stolen by then: {', '.join(stolen)}" if stolen else ""
        raise VerificationError(
            "rebuilds",
            f"{item.ref}: {len(counted)} of the {demands.rebuilds} rebuilds that are asked for"
            f" ({', '.join(counted) or 'nobody'}){passed}; `cryptlet rebuild {item.ref}` adds yours",
        )


def _more(capabilities: Iterable[str], ref: str, lock: Lock) -> tuple[str, ...]:
    """Returns what a bundle asks for beyond the newest pinned other version of its name; nothing where none is."""
    name, _, version = ref.partition("@")
    others = [pin for pin in lock.of_name(name) if pin.ref != ref]
    older = [pin for pin in others if rank(pin.ref.partition("@")[2]) < rank(version)]
    if not others:
        return ()
    in_use = max(older or others, key=lambda pin: rank(pin.ref.partition("@")[2]))
    return tuple(sorted(set(capabilities) - set(in_use.capabilities)))
