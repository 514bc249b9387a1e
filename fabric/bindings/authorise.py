"""What a binding allows, and whether its routes can be served at all."""

from collections.abc import Callable, Iterable

from fabric.bundles.manifest import Manifest
from fabric.core.errors import PluginError, Refused, Unauthorized
from fabric.enclave.containers.model import Limits
from fabric.trust.binding import Binding, EventSource, Route
from fabric.trust.destination import Destination
from fabric.trust.kind import DestinationKind
from fabric.trust.letter import is_message_codec


def check_caller(binding: Binding, caller: str) -> None:
    """Refuses a caller that the binding does not name; raises ``Unauthorized``."""
    if caller not in binding.callers:
        raise Unauthorized(f"binding {binding.name!r} does not name caller {caller!r}")


def check_routes(
    binding: Binding, destinations: Iterable[Destination], kinds: Callable[[str], DestinationKind]
) -> None:
    """Refuses a binding that this fabric cannot serve.

    Args:
        binding: the binding.
        destinations: the ledgers of this fabric.
        kinds: the pure part of an adapter by its kind.

    Raises:
        Refused: a destination that is none of the fabric's ledgers, a record for a mailbox that it could not take, or a
            source of a kind that is not known here.
        Malformed: a codec that the destination's kind does not know.
    """
    known = {item.id: item for item in destinations}
    for route in binding.routes:
        destination = known.get(route.destination)
        if destination is None:
            names = ", ".join(f"{item.kind} {item.id.hex()[:16]}..." for item in known.values())
            raise Refused(f"binding {binding.name!r}: no ledger here is {route.destination.hex()}; known: {names}")
        kinds(destination.kind).check_codec(route.codec)
        _check_mailbox(binding, route, destination)
    for source in binding.sources:
        _check_source(binding, source, kinds)


def _check_mailbox(binding: Binding, route: Route, destination: Destination) -> None:
    if route.recipient != destination.settlement:
        return
    if not (route.consume and is_message_codec(route.codec)):
        raise Refused(
            f"binding {binding.name!r}: the mailbox on {destination.kind} takes letters that are delivered to it; "
            'write consume = true and codec = { kind = "message" }'
        )


def _check_source(binding: Binding, source: EventSource, kinds: Callable[[str], DestinationKind]) -> None:
    try:
        kinds(source.destination.kind)
    except PluginError as error:
        place = source.destination.id.hex()
        raise Refused(f"binding {binding.name!r}: events of source {place} cannot be checked here: {error}") from error


def check_hardware(manifest: Manifest) -> None:
    """Refuses a bundle whose hardware profile this fabric's one pool of plain machines cannot give.

    Raises:
        Refused: it asks for accelerators, for labels, or for more memory than a container has.
    """
    asked, memory = manifest.project.hardware, Limits().memory_bytes >> 20
    lacking = [f"{name} = {value!r}" for name, value in sorted(asked.labels.items())]
    if asked.gpus:
        lacking.append(f"{asked.gpus} accelerators")
    if asked.memory_mb > memory:
        lacking.append(f"{asked.memory_mb} MiB of memory (a container has {memory})")
    if lacking:
        raise Refused(f"{manifest.title} asks in its cryptlet.toml for {', '.join(lacking)}; no pool here has that")
