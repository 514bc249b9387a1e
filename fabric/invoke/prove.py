"""Prove: what the store holds of one record -> a proof file that stands on its own."""

from fabric.core import canonical
from fabric.core.errors import NotFound, PlatformError, ProofNotReady
from fabric.core.ids import DestinationId, InvocationId
from fabric.store.store import Store
from fabric.store.values import ProofMaterial, StoredAttestation, WorkState
from fabric.trust.binding import Binding
from fabric.trust.destination import Destination
from fabric.trust.proof import Attestation, Proof
from fabric.trust.publication import parse_publication
from fabric.trust.schemes import Signature


async def prove(
    store: Store, destinations: dict[DestinationId, Destination], name: tuple[InvocationId, DestinationId]
) -> bytes:
    """Returns the proof file of an invocation on a destination.

    Args:
        store: the store.
        destinations: the fabric's ledgers.
        name: invocation and destination.

    Raises:
        NotFound: no such result, or it has no record for that ledger.
        ProofNotReady: its batch is not final on the ledger yet.
    """
    invocation, destination = name
    material = await store.proofs.material(invocation, destination)
    if destination not in destinations:
        raise NotFound(f"ledger {destination.hex()} is none of this fabric's")
    if material.settlement.state is not WorkState.FINAL or material.settlement.receipt is None:
        raise ProofNotReady(
            f"the batch of invocation {invocation.hex()} is {material.settlement.state} on its ledger; ask again later"
        )
    return _proof(material, await store.invocations.input(invocation), destinations[destination]).encode()


def _proof(material: ProofMaterial, data: bytes, destination: Destination) -> Proof:
    if material.attestation is None or material.publication is None or material.binding is None:
        raise PlatformError(f"record {material.record.digest.hex()}: attestation, publication or binding is not stored")
    receipt = material.settlement.receipt
    assert receipt is not None  # noqa: S101 - the caller saw it
    evidence = receipt["material"]
    assert isinstance(evidence, dict)  # noqa: S101 - written by the dispatcher
    return Proof(
        record=material.record,
        statement=canonical.decode_object(material.statement),
        input=data,
        output=canonical.decode(material.output),
        payload=material.payload,
        publication=parse_publication(canonical.decode(material.publication)),
        standing=material.standing,
        binding=Binding.parse(material.binding),
        header=material.header,
        index=material.index,
        path=material.path,
        signatures=_ordered(material.signatures),
        destination=destination,
        attestation=_attestation(material.attestation),
        receipt=evidence,
    )


def _attestation(stored: StoredAttestation) -> Attestation:
    body = stored.body
    return Attestation(body.result, body.destinations, _ordered(body.signatures))


def _ordered(signatures: tuple[Signature, ...]) -> tuple[Signature, ...]:
    """Returns signatures in the one order that a proof spells them in."""
    return tuple(sorted(signatures, key=lambda item: (item.scheme, item.key)))
