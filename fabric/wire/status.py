"""What a fabric says of itself to its operator: typed values to and from ``fabric_pb2.Status``."""

from dataclasses import dataclass

from fabric.core.ids import BindingVersion, DestinationId, FabricId, Measurement
from fabric.wire.reading import parse, word
from fabric.wire.v1 import fabric_pb2 as pb

WORKING = "working"
HALTED = "halted"
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """One ledger.

    Attributes:
        name: configured name.
        kind: the adapter.
        destination: id of the deployment.
        state: ``working``, ``halted`` or ``unreachable``.
        reason: why it does not work; empty where it does.
        key_state: state of the first enclave's keys there, or ``unknown``.
    """

    name: str
    kind: str
    destination: DestinationId
    state: str
    reason: str = ""
    key_state: str = "unknown"


@dataclass(frozen=True, slots=True)
class EnclaveStatus:
    """One enclave of the pool, with the assurance that its appraiser gives it."""

    name: str
    ed25519: bytes
    address: bytes
    isolation: str
    epoch: int
    pid: int
    assurance: str


@dataclass(frozen=True, slots=True)
class BindingStatus:
    """One binding in force; ``ledgers`` by their configured names."""

    name: str
    version: BindingVersion
    cryptlet: str
    methods: tuple[str, ...]
    callers: tuple[str, ...]
    ledgers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutboxCount:
    """How many rows of the outbox have one kind and one state on one ledger."""

    ledger: str
    kind: str
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class StandingStatus:
    """The standing of one bound bundle.

    Attributes:
        measurement: the bundle.
        state: its state; empty where no registry ever gave one.
        reason: why, as the registry says.
        expires: the last second in which it holds, Unix seconds.
        trouble: what a person should look at; empty where nothing is wrong.
    """

    measurement: Measurement
    state: str
    reason: str
    expires: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A running fabric.

    Attributes:
        fabric: id of the deployment.
        ledgers: its ledgers.
        enclaves: the enclaves of its pool.
        ray_jailed: whether Ray runs in its jail.
        bindings: the bindings in force.
        succeeded: number of stored invocations with an output.
        failed: number of stored invocations with a failure.
        outbox: work for the ledgers.
        standings: of bound bundles; none where the source of bundles gives none.
    """

    fabric: FabricId
    ledgers: tuple[LedgerStatus, ...]
    enclaves: tuple[EnclaveStatus, ...]
    ray_jailed: bool
    bindings: tuple[BindingStatus, ...]
    succeeded: int
    failed: int
    outbox: tuple[OutboxCount, ...]
    standings: tuple[StandingStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class GetStatus:
    """Ask what runs."""


def encode_get_status(_: GetStatus) -> bytes:
    """Returns the bytes of the request."""
    return pb.GetStatusRequest().SerializeToString()


def decode_get_status(data: bytes) -> GetStatus:
    """Reads the request; raises ``Malformed``."""
    parse(pb.GetStatusRequest, data)
    return GetStatus()


def encode_status(value: Status) -> bytes:
    """Returns the bytes of a status."""
    return pb.Status(
        fabric=value.fabric,
        ledgers=map(_ledger_to_pb, value.ledgers),
        enclaves=map(_enclave_to_pb, value.enclaves),
        ray_jailed=value.ray_jailed,
        bindings=map(_binding_to_pb, value.bindings),
        succeeded=value.succeeded,
        failed=value.failed,
        outbox=[
            pb.OutboxCount(ledger=item.ledger, kind=item.kind, state=item.state, count=item.count)
            for item in value.outbox
        ],
        standings=map(_standing_to_pb, value.standings),
    ).SerializeToString()


def decode_status(data: bytes) -> Status:
    """Reads a status; raises ``Malformed``."""
    message = parse(pb.Status, data)
    return Status(
        fabric=FabricId(word(message.fabric, "Status.fabric")),
        ledgers=tuple(map(_ledger, message.ledgers)),
        enclaves=tuple(map(_enclave, message.enclaves)),
        ray_jailed=message.ray_jailed,
        bindings=tuple(map(_binding, message.bindings)),
        succeeded=message.succeeded,
        failed=message.failed,
        outbox=tuple(OutboxCount(item.ledger, item.kind, item.state, item.count) for item in message.outbox),
        standings=tuple(map(_standing, message.standings)),
    )


def _standing_to_pb(value: StandingStatus) -> pb.StandingStatus:
    return pb.StandingStatus(
        measurement=value.measurement,
        state=value.state,
        reason=value.reason,
        expires=value.expires,
        trouble=value.trouble,
    )


def _standing(value: pb.StandingStatus) -> StandingStatus:
    measurement = Measurement(word(value.measurement, "StandingStatus.measurement"))
    return StandingStatus(measurement, value.state, value.reason, value.expires, value.trouble)


def _ledger_to_pb(value: LedgerStatus) -> pb.LedgerStatus:
    return pb.LedgerStatus(
        name=value.name,
        kind=value.kind,
        destination=value.destination,
        state=value.state,
        reason=value.reason,
        key_state=value.key_state,
    )


def _ledger(value: pb.LedgerStatus) -> LedgerStatus:
    destination = DestinationId(word(value.destination, "LedgerStatus.destination"))
    return LedgerStatus(value.name, value.kind, destination, value.state, value.reason, value.key_state)


def _enclave_to_pb(value: EnclaveStatus) -> pb.EnclaveStatus:
    return pb.EnclaveStatus(
        name=value.name,
        ed25519_key=value.ed25519,
        address=value.address,
        isolation=value.isolation,
        epoch=value.epoch,
        pid=value.pid,
        assurance=value.assurance,
    )


def _enclave(value: pb.EnclaveStatus) -> EnclaveStatus:
    key = word(value.ed25519_key, "EnclaveStatus.ed25519_key")
    return EnclaveStatus(value.name, key, value.address, value.isolation, value.epoch, value.pid, value.assurance)


def _binding_to_pb(value: BindingStatus) -> pb.BindingStatus:
    return pb.BindingStatus(
        name=value.name,
        version=value.version,
        cryptlet=value.cryptlet,
        methods=value.methods,
        callers=value.callers,
        ledgers=value.ledgers,
    )


def _binding(value: pb.BindingStatus) -> BindingStatus:
    version = BindingVersion(word(value.version, "BindingStatus.version"))
    texts = tuple(value.methods), tuple(value.callers), tuple(value.ledgers)
    return BindingStatus(value.name, version, value.cryptlet, *texts)
