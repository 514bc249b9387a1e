"""Policy: the relying party's roots of trust; the only place from which trust comes (docs/spec/policy.md)."""

from dataclasses import dataclass
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, FabricId, Measurement, parse_word
from fabric.trust.attestation import Assurance
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.fields import read_choice, read_hex, read_integer, read_list, read_object, read_text
from fabric.trust.kind import Status
from fabric.trust.schemes import ADDRESS_BYTES
from fabric.trust.standing import Registry, parse_registry

FORMAT: Final = "cryptlet-fabric/policy/v1"
ANY: Final = "*"
_LIMIT: Final = 1024
_NAMES: Final = frozenset(
    (
        "appraisers",
        "destinations",
        "fabrics",
        "format",
        "isolation",
        "measurements",
        "minimum_assurance",
        "publishers",
        "registries",
        "threshold",
    )
)
_ASSURANCES: Final = {item.name.lower(): item for item in Assurance}


@dataclass(frozen=True)
class Appraiser:
    """One appraiser's two keys: Ed25519 (32 bytes) and EVM address (20 bytes)."""

    ed25519: bytes
    address: bytes

    def to_json(self) -> JsonObject:
        """Returns the keys as a JSON object."""
        return {"address": self.address.hex(), "ed25519": self.ed25519.hex()}


@dataclass(frozen=True)
class Publisher:
    """A publisher's Ed25519 key and the names it may publish; ``*`` stands for every name."""

    key: bytes
    names: tuple[str, ...]

    def may_publish(self, name: str) -> bool:
        """Says whether the publisher may publish under a name."""
        return ANY in self.names or name in self.names


@dataclass(frozen=True)
class Accepted:
    """What is accepted of one destination.

    Attributes:
        name: a name for people.
        destination: the deployment.
        minimum_status: the least status a proof must show.
        accept_asserted: whether a ledger's word that is only asserted is enough.
        trust: roots that the ledger kind needs: log key, validators.
    """

    name: str
    destination: Destination
    minimum_status: Status
    accept_asserted: bool
    trust: JsonObject


@dataclass(frozen=True)
class Policy:
    """The roots of trust of a relying party.

    Attributes:
        fabrics: accepted deployments of the fabric.
        measurements: accepted measurements of the fabric's own code.
        isolation: accepted isolation levels.
        minimum_assurance: least assurance of an enclave's evidence.
        appraisers: whose word counts.
        threshold: how many of them must agree.
        publishers: whose bundles are accepted.
        destinations: accepted ledger deployments by id.
        registries: one of them must let a result's bundle run when it was anchored; with none nothing is demanded.
    """

    fabrics: frozenset[FabricId]
    measurements: frozenset[Measurement]
    isolation: frozenset[str]
    minimum_assurance: Assurance
    appraisers: tuple[Appraiser, ...]
    threshold: int
    publishers: tuple[Publisher, ...]
    destinations: dict[DestinationId, Accepted]
    registries: tuple[Registry, ...] = ()

    def __post_init__(self) -> None:
        """Refuses two appraisers with a key in common; raises ``Malformed``. One signature would count as two."""
        for keys in ([item.ed25519 for item in self.appraisers], [item.address for item in self.appraisers]):
            if len(set(keys)) != len(keys):
                raise Malformed("policy.appraisers", "two appraisers have a key in common")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads a policy in any JSON spelling; raises ``Malformed`` naming the field.

        One without ``registries`` was written before there were any, and demands none.
        """
        value = canonical.parse(data)
        value = read_object({"registries": [], **value} if isinstance(value, dict) else value, _NAMES, "policy")
        if value["format"] != FORMAT:
            raise Malformed("policy.format", f"expected {FORMAT!r}")
        appraisers = read_list(value["appraisers"], _appraiser, "policy.appraisers", 64)
        accepted = read_list(value["destinations"], _accepted, "policy.destinations", _LIMIT)
        if len({item.destination.id for item in accepted}) != len(accepted):
            raise Malformed("policy.destinations", "a destination twice")
        threshold = read_integer(value["threshold"], "policy.threshold", 1, max(1, len(appraisers)))
        return cls(
            fabrics=frozenset(FabricId(word) for word in _words(value["fabrics"], "policy.fabrics")),
            measurements=frozenset(Measurement(word) for word in _words(value["measurements"], "policy.measurements")),
            isolation=frozenset(_texts(value["isolation"], "policy.isolation")),
            minimum_assurance=_ASSURANCES[
                read_choice(value["minimum_assurance"], tuple(_ASSURANCES), "policy.minimum_assurance")
            ],
            appraisers=appraisers,
            threshold=threshold,
            publishers=read_list(value["publishers"], _publisher, "policy.publishers", _LIMIT),
            destinations={item.destination.id: item for item in accepted},
            registries=read_list(value["registries"], parse_registry, "policy.registries", _LIMIT),
        )

    def encode(self) -> bytes:
        """Returns the policy as canonical JSON."""
        destinations = sorted(self.destinations.items())
        return canonical.encode(
            {
                "appraisers": [item.to_json() for item in self.appraisers],
                "destinations": [_accepted_to_json(item) for _, item in destinations],
                "fabrics": [item.hex() for item in sorted(self.fabrics)],
                "format": FORMAT,
                "isolation": [*sorted(self.isolation)],
                "measurements": [item.hex() for item in sorted(self.measurements)],
                "minimum_assurance": self.minimum_assurance.name.lower(),
                "publishers": [{"key": item.key.hex(), "names": list(item.names)} for item in self.publishers],
                "registries": [item.to_json() for item in self.registries],
                "threshold": self.threshold,
            }
        )


def _appraiser(value: JsonValue) -> Appraiser:
    fields = read_object(value, frozenset({"address", "ed25519"}), "policy.appraisers")
    return Appraiser(
        parse_word(fields["ed25519"], "policy.appraisers.ed25519"),
        read_hex(fields["address"], "policy.appraisers.address", ADDRESS_BYTES),
    )


def _publisher(value: JsonValue) -> Publisher:
    fields = read_object(value, frozenset({"key", "names"}), "policy.publishers")
    names = _texts(fields["names"], "policy.publishers.names")
    return Publisher(parse_word(fields["key"], "policy.publishers.key"), names)


_ACCEPTED: Final = frozenset({"accept_asserted", "destination", "minimum_status", "name", "trust"})


def _accepted(value: JsonValue) -> Accepted:
    fields = read_object(value, _ACCEPTED, "policy.destinations")
    asserted, trust = fields["accept_asserted"], fields["trust"]
    if not isinstance(asserted, bool) or not isinstance(trust, dict):
        raise Malformed("policy.destinations", "accept_asserted is a boolean, trust an object")
    status = read_choice(fields["minimum_status"], tuple(Status), "policy.destinations.minimum_status")
    return Accepted(
        name=read_text(fields["name"], "policy.destinations.name"),
        destination=parse_destination(fields["destination"]),
        minimum_status=Status(status),
        accept_asserted=asserted,
        trust=trust,
    )


def _accepted_to_json(item: Accepted) -> JsonObject:
    return {
        "accept_asserted": item.accept_asserted,
        "destination": item.destination.to_json(),
        "minimum_status": str(item.minimum_status),
        "name": item.name,
        "trust": item.trust,
    }


def _words(value: JsonValue, field: str) -> tuple[bytes, ...]:
    return read_list(value, lambda item: parse_word(item, field), field, _LIMIT)


def _texts(value: JsonValue, field: str) -> tuple[str, ...]:
    return read_list(value, lambda item: read_text(item, field), field, _LIMIT)
