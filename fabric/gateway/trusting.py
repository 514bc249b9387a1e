"""Trust of one deployment: the appraisal policy for its appraiser, and the policy that relying parties take."""

from collections.abc import Iterable, Sequence

from fabric.attesters.appraiser.policy import AppraisalPolicy
from fabric.core.ids import FabricId, Measurement
from fabric.enclave.containers.host import ISOLATION
from fabric.enclave.measure import fabric_measurement
from fabric.gateway.config import Config
from fabric.gateway.founding import Standing
from fabric.trust.attestation import Assurance, KeySet
from fabric.trust.policy import ANY, Accepted, Appraiser, Policy, Publisher


def appraisal_policy(config: Config, attesters: Iterable[bytes], standing: Sequence[Standing]) -> AppraisalPolicy:
    """Returns what the embedded appraiser accepts: this host's attester, this code, these ledgers."""
    return AppraisalPolicy(
        attesters=frozenset(attesters),
        fabric_measurements=frozenset({fabric_measurement()}),
        isolation=frozenset({ISOLATION}),
        destinations=frozenset(item.founded.destination.id for item in standing),
        minimum_assurance=Assurance.SOFTWARE,
        valid_seconds=config.appraisal.validity_seconds,
    )


def relying_policy(
    config: Config, fabric: FabricId, appraisers: Sequence[KeySet], standing: Sequence[Standing]
) -> Policy:
    """Returns the policy of the operator's own state folder: what ``cryptlet verify`` takes by default."""
    accepted = (
        Accepted(
            name=item.name,
            destination=item.founded.destination,
            minimum_status=item.founded.minimum_status,
            accept_asserted=item.founded.accept_asserted,
            trust=item.founded.trust,
        )
        for item in standing
    )
    return Policy(
        fabrics=frozenset({fabric}),
        measurements=frozenset({Measurement(fabric_measurement())}),
        isolation=frozenset({ISOLATION}),
        minimum_assurance=Assurance.SOFTWARE,
        appraisers=tuple(Appraiser(keys.ed25519, keys.address) for keys in appraisers),
        threshold=1,
        publishers=tuple(Publisher(bytes.fromhex(key), (ANY,)) for key in config.publishers.values()),
        destinations={item.destination.id: item for item in accepted},
    )
