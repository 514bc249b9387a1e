"""Standing of code: a registry's signed, short-lived word on one bundle (docs/spec/standing.md).

A proof carries the standing that its bundle had when its batch was anchored, as a server staples the answer of RFC 6960
to a certificate. It is short-lived, so that silence is noticed: whoever is cut off from the registry holds one that has
expired. (``Status`` in ``fabric.trust.kind`` is of a batch on a ledger.)
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import utc_text
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Measurement, parse_word
from fabric.trust.fields import read_choice, read_integer, read_object, read_text
from fabric.trust.schemes import ED25519, Signature, is_ed25519, parse_signature

FORMAT: Final = "cryptlet-fabric/standing/v1"
MAX_LIFETIME_SECONDS: Final = 86_400
MAX_REASON: Final = 200
_LAST: Final = 2**53 - 1
_NAMES: Final = frozenset(
    ("expires", "format", "issued", "measurement", "position", "reason", "registry", "since", "state")
)


class State(StrEnum):
    """What its publisher and its registry say of a bundle."""

    ACTIVE = "active"
    """It may be bound and run."""
    DEPRECATED = "deprecated"
    """As active; whoever binds it is told to choose another."""
    YANKED = "yanked"
    """No new binding; those that are there go on."""
    QUARANTINED = "quarantined"
    """Nothing starts until it is cleared; what was asked for waits."""
    REVOKED = "revoked"
    """Nothing starts, what runs ends, and no later result counts; for good."""


SKEW_SECONDS: Final = 300
"""How far a ledger's clock may lag behind another one: the registry's, or the host's that fixed an as-of time."""
STARTS: Final = frozenset((State.ACTIVE, State.DEPRECATED, State.YANKED))
"""States in which work of an existing binding may start, and in which a result counts."""
BINDS: Final = frozenset((State.ACTIVE, State.DEPRECATED))
"""States in which a new binding may name the bundle."""


@dataclass(frozen=True)
class Standing:
    """What the registry signs, as canonical JSON, and the signature.

    Attributes:
        registry: origin of the registry's log.
        measurement: the bundle.
        state: its state.
        reason: why, for people; empty where the state is active.
        position: of the log's entry that set the state.
        since: when that entry was logged, Unix seconds.
        issued: when this was signed, Unix seconds.
        expires: the last second in which it holds; at most a day after ``issued``.
        signature: the registry's Ed25519 signature.
    """

    registry: str
    measurement: Measurement
    state: State
    reason: str
    position: int
    since: int
    issued: int
    expires: int
    signature: Signature

    @property
    def fields(self) -> JsonObject:
        """The statement as a JSON object."""
        return {
            "expires": self.expires,
            "format": FORMAT,
            "issued": self.issued,
            "measurement": self.measurement.hex(),
            "position": self.position,
            "reason": self.reason,
            "registry": self.registry,
            "since": self.since,
            "state": self.state.value,
        }

    def covers(self, time: int, skew: int = 0) -> bool:
        """Says whether it holds at a time, Unix seconds; both ends included.

        Args:
            time: the time.
            skew: how many seconds before ``issued`` count too, where another clock than the registry's gave the time.
        """
        return self.issued - skew <= time <= self.expires

    def is_signed(self) -> bool:
        """Says whether the signature is of the key it names; whose key that is, a policy decides."""
        return self.signature.scheme == ED25519 and is_ed25519(
            self.signature.key, self.signature.value, canonical.encode(self.fields)
        )

    def to_json(self) -> JsonObject:
        """Returns statement and signature as a JSON object."""
        return {"signature": self.signature.to_json(), "statement": self.fields}


@dataclass(frozen=True)
class Registry:
    """A registry whose word counts for a relying party.

    Attributes:
        origin: of its log.
        key: Ed25519 key (32 bytes) that signs its standings.
    """

    origin: str
    key: bytes

    def to_json(self) -> JsonObject:
        """Returns the registry as a JSON object."""
        return {"key": self.key.hex(), "origin": self.origin}

    def vouches(self, standing: Standing) -> bool:
        """Says whether a standing, whose signature holds, is this registry's."""
        return (standing.registry, standing.signature.key) == (self.origin, self.key)


def check_counts(standing: Standing | None, registries: Collection[Registry], time: int) -> None:
    """Checks that one of several registries lets a result count, judged at the time of its anchor.

    Args:
        standing: what the proof carries; its signature holds.
        registries: whose word is demanded; with none nothing is.
        time: when the result was anchored by its ledger's clock, Unix seconds.

    Raises:
        VerificationError: step ``policy``: no standing, a stranger's, one of another time, or of a bundle whose results
            do not count.
    """
    if not registries:
        return
    if standing is None:
        known = ", ".join(sorted({item.origin for item in registries}))
        raise _refused(f"it carries no standing, and the policy demands one of {known}: use a fabric that asks it")
    if not any(item.vouches(standing) for item in registries):
        key = standing.signature.key.hex()
        raise _refused(
            f"the policy does not name registry {standing.registry!r} with key {key}: add it if you trust it"
        )
    if not standing.covers(time, SKEW_SECONDS):
        held = f"{utc_text(standing.issued)} to {utc_text(standing.expires)}"
        raise _refused(
            f"its standing holds from {held}, it was anchored at {utc_text(time)}: ask the fabric for the proof again"
        )
    if standing.state not in STARTS:
        raise _refused(f"{explain(standing)}; do not act on this result")


def explain(standing: Standing) -> str:
    """Returns who said what of a bundle, since when and why, for people."""
    why = f": {standing.reason}" if standing.reason else ""
    return (
        f"bundle {standing.measurement.hex()} is {standing.state} since {utc_text(standing.since)}, as registry "
        f"{standing.registry} says (entry {standing.position} of its log){why}"
    )


def parse_registry(value: JsonValue) -> Registry:
    """Reads what ``Registry.to_json`` writes; raises ``Malformed``."""
    fields = read_object(value, frozenset(("key", "origin")), "registry")
    return Registry(read_text(fields["origin"], "registry.origin", 255), parse_word(fields["key"], "registry.key"))


def _refused(reason: str) -> VerificationError:
    return VerificationError("policy", f"consistent, not trusted: {reason}")


def sign_standing(unsigned: Standing, sign: Callable[[bytes], bytes]) -> Standing:
    """Returns the standing with the signature of the key that its own ``signature`` names.

    Args:
        unsigned: with any bytes for a signature.
        sign: gives the Ed25519 signature of a message.
    """
    value = sign(canonical.encode(unsigned.fields))
    return replace(unsigned, signature=Signature(ED25519, unsigned.signature.key, value))


def parse_standing(value: JsonValue) -> Standing:
    """Reads what ``Standing.to_json`` writes; raises ``Malformed``. Does not check the signature."""
    whole = read_object(value, frozenset(("signature", "statement")), "standing")
    fields = read_object(whole["statement"], _NAMES, "standing.statement")
    read_choice(fields["format"], (FORMAT,), "standing.format")
    numbers = {name: read_integer(fields[name], f"standing.{name}", 0, _LAST) for name in ("position", "since")}
    issued = read_integer(fields["issued"], "standing.issued", 0, _LAST)
    state = State(read_choice(fields["state"], tuple(State), "standing.state"))
    reason = fields["reason"]
    if not isinstance(reason, str) or len(reason) > MAX_REASON or bool(reason) is (state is State.ACTIVE):
        raise Malformed("standing.reason", f"empty where the state is active, else 1 to {MAX_REASON} characters")
    return Standing(
        registry=read_text(fields["registry"], "standing.registry", 255),
        measurement=Measurement(parse_word(fields["measurement"], "standing.measurement")),
        state=state,
        reason=reason,
        issued=issued,
        expires=read_integer(fields["expires"], "standing.expires", issued, issued + MAX_LIFETIME_SECONDS),
        signature=parse_signature(whole["signature"]),
        **numbers,
    )
