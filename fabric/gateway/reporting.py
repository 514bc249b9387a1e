"""The report to the operator: what runs, how each ledger answers, what waits in the outbox."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import LedgerError
from fabric.core.ids import DestinationId, FabricId
from fabric.gateway.ledgers import Ledgers, Working
from fabric.gateway.registrar import Registrar
from fabric.invoke.watch import Concern, Watch
from fabric.runtime.pool import Pool
from fabric.store.store import Store
from fabric.trust.attestation import KeySet
from fabric.trust.binding import Binding
from fabric.wire.status import (
    HALTED,
    UNREACHABLE,
    WORKING,
    BindingStatus,
    EnclaveStatus,
    LedgerStatus,
    OutboxCount,
    StandingStatus,
    Status,
)

ASK_SECONDS: Final = 5.0
"""How long a ledger may take to answer before the report calls it unreachable."""


@dataclass(frozen=True)
class Reporter:
    """Looks at the parts of a running fabric; changes nothing.

    Attributes:
        fabric: id of the deployment.
        store: the store.
        ledgers: the ledgers at work.
        pool: the enclaves that serve.
        registrar: who had their keys vouched for.
        ray_jailed: whether Ray runs in its jail.
        watch: how bound bundles stand.
    """

    fabric: FabricId
    store: Store
    ledgers: Ledgers
    pool: Pool
    registrar: Registrar
    ray_jailed: bool
    watch: Watch

    async def status(self) -> Status:
        """Returns the report; a ledger that does not answer is a line of it, no error."""
        enclaves = tuple(self._enclaves())
        keys = [handle.description.keys for handle in self.pool.enclaves][:1]
        names = {item.ledger.destination.id: item.name for item in self.ledgers.working}
        succeeded, failed = await self.store.invocations.counts()
        return Status(
            fabric=self.fabric,
            ledgers=tuple(await asyncio.gather(*(self._ledger(item, keys) for item in self.ledgers.working))),
            enclaves=enclaves,
            ray_jailed=self.ray_jailed,
            bindings=tuple(_binding(item, names) for item in await self.store.bindings.all()),
            succeeded=succeeded,
            failed=failed,
            outbox=tuple(
                OutboxCount(names.get(place, place.hex()), str(kind), str(state), count)
                for (place, kind, state), count in sorted((await self.store.outbox.counts()).items())
            ),
            standings=tuple(map(_standing, self.watch.concerns())),
        )

    def _enclaves(self) -> list[EnclaveStatus]:
        found = []
        for handle in self.pool.enclaves:
            about = handle.description
            assurance = self.registrar.assurances[about.keys.ed25519].name.lower()
            keys = about.keys.ed25519, about.keys.address
            found.append(EnclaveStatus(handle.name, *keys, about.isolation, about.epoch, about.pid, assurance))
        return found

    async def _ledger(self, item: Working, keys: list[KeySet]) -> LedgerStatus:
        destination = item.ledger.destination
        halt = await self.store.halts.of(destination.id)
        state, reason, key_state = (HALTED, halt.reason, "unknown") if halt else (WORKING, "", "unknown")
        try:
            async with asyncio.timeout(ASK_SECONDS):
                found = [await item.ledger.key_state(each) for each in keys]
        except TimeoutError:
            state, reason = UNREACHABLE, f"no answer within {ASK_SECONDS:.0f} s"
        except LedgerError as error:
            state, reason = UNREACHABLE, str(error)
        else:
            key_state = next((each.name.lower() for each in found if each is not None), "unknown")
        return LedgerStatus(item.name, destination.kind, destination.id, state, reason, key_state)


def _standing(item: Concern) -> StandingStatus:
    said = item.standing
    if said is None:
        return StandingStatus(item.measurement, "", "", 0, item.trouble)
    return StandingStatus(item.measurement, said.state.value, said.reason, said.expires, item.trouble)


def _binding(item: Binding, names: Mapping[DestinationId, str]) -> BindingStatus:
    ledgers = tuple(names.get(route.destination, route.destination.hex()) for route in item.routes)
    methods, callers = tuple(sorted(item.methods)), tuple(sorted(item.callers))
    return BindingStatus(item.name, item.version, item.cryptlet, methods, callers, ledgers)
