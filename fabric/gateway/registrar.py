"""The registrar: has an enclave's keys vouched for and made known to every ledger, before what they sign counts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from fabric.attesters.appraiser.client import AppraiserProcess
from fabric.core.clock import Clock
from fabric.core.errors import AttestationFailed
from fabric.core.ids import DestinationId, Digest
from fabric.ledger.port import Ledger
from fabric.store.store import Store
from fabric.store.values import RegisterBody, StoredAttestation, WorkState
from fabric.trust.attestation import Assurance, AttestationResult

_LOG: Final = structlog.get_logger(__name__)
REGISTER_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.1
GetEvidence = Callable[[bytes], Awaitable[bytes]]
"""Makes evidence for an appraiser's nonce."""


class Registrar:
    """Appraises and registers; says which key sets it registered.

    Attributes:
        key_ids: id of each registered key set by its Ed25519 key.
        assurances: what the appraiser gave each of them, by the same key.
    """

    def __init__(
        self, appraiser: AppraiserProcess, store: Store, ledgers: Mapping[DestinationId, Ledger], clock: Clock
    ) -> None:
        """Takes who vouches, where that is stored, and the ledgers that must know it."""
        self._appraiser = appraiser
        self._store = store
        self._ledgers = ledgers
        self._clock = clock
        self._until: dict[Digest, int] = {}
        self.key_ids: dict[bytes, Digest] = {}
        self.assurances: dict[bytes, Assurance] = {}

    async def register(self, get_evidence: GetEvidence) -> AttestationResult:
        """Has an enclave appraised and its keys registered; returns when every ledger has taken them for good.

        Raises:
            AttestationFailed: the appraiser refused, or a ledger did not take the keys in time.
        """
        return await self._vouch(get_evidence, 0)

    async def recognise(self, get_evidence: GetEvidence, seconds: float) -> AttestationResult:
        """Appraises an enclave, and registers its keys unless this process did and they hold for ``seconds`` more.

        Raises:
            AttestationFailed: as ``register``.
        """
        return await self._vouch(get_evidence, self._clock.unix_seconds() + int(seconds))

    async def _vouch(self, get_evidence: GetEvidence, enough: int) -> AttestationResult:
        async with self._appraiser.client() as client:
            appraised = await client.appraise(get_evidence, list(self._ledgers))
        result = appraised.result
        if enough and self._until.get(result.keys.id, 0) >= enough:
            return result
        body = RegisterBody(result, appraised.destinations, appraised.signatures)
        await self._store.attest(StoredAttestation(body, appraised.evidence), list(self._ledgers))
        for destination in self._ledgers:
            await self._wait_registered(destination, result.digest)
        self.key_ids[result.keys.ed25519] = result.keys.id
        self.assurances[result.keys.ed25519] = result.assurance
        self._until[result.keys.id] = result.not_after
        return result

    async def _wait_registered(self, destination: DestinationId, work: bytes) -> None:
        """A cold pool waits for registration to be final; nothing it signed before would settle."""
        try:
            async with asyncio.timeout(REGISTER_SECONDS):
                while True:
                    progress = await self._store.outbox.progress(destination, work)
                    if progress is not None and progress.state is WorkState.FINAL:
                        return
                    if progress is not None and progress.state is WorkState.REFUSED:
                        raise AttestationFailed(f"ledger {destination.hex()} refused the keys: {progress.reason}")
                    if await self._store.halts.of(destination):
                        # Others must not wait for a person; the keys are the first that it takes when it is resumed.
                        _LOG.warning("ledger is halted, keys wait for it", destination=destination.hex())
                        return
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise AttestationFailed(
                f"ledger {destination.hex()} has not taken the enclave's keys in {REGISTER_SECONDS} s"
            ) from error
