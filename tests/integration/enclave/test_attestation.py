"""From the enclave's evidence to appraisers' signatures: the one way by which its keys come to count."""

from dataclasses import replace
from pathlib import Path

import pytest

from fabric.attesters.appraiser.client import AppraiserProcess, launch_appraiser
from fabric.attesters.appraiser.files import AppraiserFolder
from fabric.attesters.appraiser.policy import AppraisalPolicy
from fabric.core.errors import AttestationFailed
from fabric.core.ids import Measurement, sha256
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.launch import EnclaveProcess
from fabric.enclave.measure import fabric_measurement
from fabric.trust.appraisal.kinds import appraise
from fabric.trust.attestation import Assurance, destinations_digest
from fabric.trust.schemes import is_valid
from tests.support.enclaves import EPOCH, ETHEREUM, NATIVE

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]
DESTINATIONS = (NATIVE.id, ETHEREUM.id)


async def appraiser(folder: Path, enclave: EnclaveProcess, **changes: object) -> AppraiserProcess:
    """Starts an appraiser that accepts this enclave, but for the changed lines of its policy."""
    policy = AppraisalPolicy(
        attesters=frozenset({enclave.attester}),
        fabric_measurements=frozenset({fabric_measurement()}),
        isolation=frozenset({ContainerHost.isolation}),
        destinations=frozenset(DESTINATIONS),
    )
    place = AppraiserFolder.prepare(folder)
    place.write_policy(replace(policy, **changes))  # type: ignore[arg-type]
    return await launch_appraiser(place.path)


async def test_the_enclaves_keys_are_vouched_for(enclave: EnclaveProcess, tmp_path: Path) -> None:
    process = await appraiser(tmp_path / "a", enclave)
    async with process.client() as client:
        found = await client.appraise(enclave.evidence, DESTINATIONS)
    await process.aclose()
    described, result = await enclave.describe(), found.result
    assert (result.keys, result.fabric) == (described.keys, described.fabric)
    assert (result.fabric, result.isolation) == (fabric_measurement(), ContainerHost.isolation)
    assert (result.epoch, result.assurance) == (EPOCH, Assurance.SOFTWARE)
    assert result.destinations == destinations_digest(DESTINATIONS)
    assert result.evidence == sha256(found.evidence)
    assert appraise(found.evidence).attester == enclave.attester
    assert all(is_valid(item, result.encoded, lambda: result.typed_digest) for item in found.signatures)


async def test_another_fabric_measurement_is_refused(enclave: EnclaveProcess, tmp_path: Path) -> None:
    process = await appraiser(tmp_path / "a", enclave, fabric_measurements=frozenset({Measurement(bytes(32))}))
    async with process.client() as client:
        with pytest.raises(AttestationFailed, match="policy line fabric_measurements"):
            await client.appraise(enclave.evidence, DESTINATIONS)
    await process.aclose()


async def test_evidence_is_not_taken_twice(enclave: EnclaveProcess, tmp_path: Path) -> None:
    kept: list[bytes] = []

    async def replayed(nonce: bytes) -> bytes:
        kept.append(await enclave.evidence(nonce))
        return kept[0]

    process = await appraiser(tmp_path / "a", enclave)
    async with process.client() as client:
        await client.appraise(replayed, DESTINATIONS)
        with pytest.raises(AttestationFailed, match="another nonce"):
            await client.appraise(replayed, DESTINATIONS)
    await process.aclose()
