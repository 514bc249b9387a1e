"""What follows when a binding comes into force or a blob arrives: relayers, requests, the written policy."""

from dataclasses import dataclass, replace
from pathlib import Path

from fabric.core import canonical
from fabric.core.ids import Digest
from fabric.gateway.ledgers import Ledgers
from fabric.relay.relay import AT_BINDING, Relay
from fabric.store.store import Store
from fabric.store.values import reading, require
from fabric.trust.binding import Binding
from fabric.trust.policy import Policy, Publisher
from fabric.trust.publication import Publication, parse_publication
from fabric.trust.standing import Registry


class PolicyFile:
    """The policy in the state folder, which ``cryptlet verify`` takes by default.

    It is the operator's own: a publisher whose bundle the operator binds is accepted from then on, for that name.
    """

    def __init__(self, path: Path, policy: Policy) -> None:
        """Writes the policy."""
        self._path = path
        self._policy = policy
        self._write()

    def accept(self, publication: Publication) -> None:
        """Accepts the publisher of a bundle for the bundle's name."""
        key = publication.signature.key
        if any(item.key == key and item.may_publish(publication.name) for item in self._policy.publishers):
            return
        publisher = Publisher(key, (publication.name,))
        self._policy = replace(self._policy, publishers=(*self._policy.publishers, publisher))
        self._write()

    def meet(self, registry: Registry) -> None:
        """Demands from now on that proofs carry the standing of this registry, or of another that was met."""
        if registry not in self._policy.registries:
            self._policy = replace(self._policy, registries=(*self._policy.registries, registry))
            self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(self._policy.encode())
        draft.replace(self._path)


@dataclass(frozen=True)
class Effects:
    """Tells everybody whom it concerns."""

    ledgers: Ledgers
    policy: PolicyFile
    relay: Relay

    async def in_force(self, binding: Binding, publication: Publication) -> None:
        """Lets relayers write to its recipients, accepts its bundle's publisher, takes up messages that wait for it."""
        await self.ledgers.allow(binding)
        self.policy.accept(publication)
        await self.relay.hasten(AT_BINDING)

    async def input_arrived(self, digest: Digest) -> None:
        """Lets requests run that waited for a blob."""
        await self.ledgers.input_arrived(digest)


async def effects_of_start(store: Store, ledgers: Ledgers, policy: PolicyFile, relay: Relay) -> Effects:
    """Returns the effects after those of every binding that is in force already."""
    effects = Effects(ledgers, policy, relay)
    for binding in await store.bindings.all():
        document = await store.publications.get(binding.measurement)
        if document is not None:
            await effects.in_force(binding, _stored_publication(binding, document))
    return effects


def _stored_publication(binding: Binding, document: bytes) -> Publication:
    """Reads a stored publication, whose publisher the policy is to accept; raises ``RowTampered``."""
    part = f"publication of {binding.measurement.hex()}"
    with reading(part):
        publication = parse_publication(canonical.decode(document))
    holds = publication.measurement == binding.measurement and publication.is_signed()
    require(part, holds=holds, reason="not the statement that its publisher signed")
    return publication
