"""What stands in the way of carrying a message: found before anything is run, and named. Pure."""

from dataclasses import dataclass

from fabric.relay.model import RELAY_CALLER, Facts, Leg, Side
from fabric.store.mail import Reason
from fabric.trust.binding import Binding, Route
from fabric.trust.letter import is_message_codec
from fabric.trust.message import Message, Shown


@dataclass(frozen=True)
class Obstacle:
    """A reason and what it is for people."""

    reason: Reason
    detail: str


def halt_of(facts: Facts) -> Obstacle | None:
    """Returns why a route stands still: what one of its ledgers called final may be gone."""
    for name, side in (("source", facts.source), ("destination", facts.destination)):
        if side.halted:
            return Obstacle(Reason.LEDGER_HALTED, f"the {name} is halted: {side.halted}")
    return None


def obstacle_of(leg: Leg, message: Message, facts: Facts) -> Binding | Obstacle:
    """Returns the binding under which a leg can be run, or what stands in the way."""
    acts, tells = facts.sides(leg)
    if acts.destination is None or tells.destination is None:
        place = leg.acts(message) if acts.destination is None else leg.tells(message)
        return Obstacle(Reason.NOT_RELAYED_HERE, f"no mailbox of this fabric is on ledger {place.hex()}")
    if leg.is_delivery and not facts.opened:
        return Obstacle(Reason.CHANNEL_NOT_OPEN, f"channel {message.channel.hex()} is open on its source only")
    version = facts.end(leg.acts(message)).binding
    binding = facts.bindings.get(version)
    if binding is None:
        return Obstacle(Reason.NO_BINDING, f"no binding of version {version.hex()} is in force here")
    return _unfit(leg, message, facts, binding) or _asserted(leg, message, tells, facts, binding) or binding


def _unfit(leg: Leg, message: Message, facts: Facts, binding: Binding) -> Obstacle | None:
    place, teller = leg.acts(message), leg.tells(message)
    acts, _ = facts.sides(leg)
    settlement = acts.destination.settlement if acts.destination else b""
    name = f"binding {binding.name!r}"
    if RELAY_CALLER not in binding.callers:
        return Obstacle(Reason.CALLER_NOT_NAMED, f"{name} names other callers")
    if leg.method not in binding.methods:
        return Obstacle(Reason.BINDING_UNFIT, f"{name} does not allow method {leg.method!r}")
    if all(source.destination.id != teller for source in binding.sources):
        return Obstacle(Reason.BINDING_UNFIT, f"{name} takes no events of ledger {teller.hex()}")
    routes = [route for route in binding.routes if route.destination == place]
    if not any(_is_mail(route, settlement) for route in routes):
        return Obstacle(Reason.BINDING_UNFIT, f"{name} has no consumed route to the mailbox on ledger {place.hex()}")
    return None


def _is_mail(route: Route, settlement: bytes) -> bool:
    return route.recipient == settlement and route.consume and is_message_codec(route.codec)


def _asserted(leg: Leg, message: Message, tells: Side, facts: Facts, binding: Binding) -> Obstacle | None:
    if not tells.asserted:
        return None
    teller = leg.tells(message)
    if facts.end(leg.acts(message)).accepts is Shown.PROVEN:
        return Obstacle(Reason.ASSERTED_NOT_ACCEPTED, f"the channel takes proven events of {teller.hex()} alone")
    if not any(source.destination.id == teller and source.accept_asserted for source in binding.sources):
        detail = f"binding {binding.name!r} takes proven events of {teller.hex()} alone"
        return Obstacle(Reason.ASSERTED_NOT_ACCEPTED, detail)
    return None
