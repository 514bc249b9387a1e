"""Enclave registry: attestation results in, key states out."""

from dataclasses import replace

from fabric.core.ids import Digest, sha256
from fabric.ledger.rules.entries import KeyEntry, key_entry, signing_key
from fabric.ledger.rules.events import Event, KeyStatusSet, Registered
from fabric.ledger.rules.operations import Register, SetKeyStatus
from fabric.ledger.rules.quorum import check_quorum
from fabric.ledger.rules.state import Context, Genesis, State
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust.attestation import AttestationResult, KeySet, KeyState


def register(genesis: Genesis, state: State, context: Context, operation: Register) -> tuple[Event, ...]:
    """Makes an enclave's key active, or renews its attestation.

    A repeat of the stored result, and a result that ends no later than the stored one, change nothing.

    Raises:
        RuleViolation: in this order ``WrongDestination``, ``NotYetValid``, ``AttestationExpired``, ``BadSignature``,
            ``BadOrder``, ``QuorumMissing``, ``KeyRevoked``.
    """
    result = operation.result
    stored = find_key(genesis, state, result.keys)
    if stored and stored.result == result.digest:
        return ()
    _check_destination(genesis, operation)
    check_validity(context.time, result.not_before, result.not_after)
    check_quorum(genesis, operation.signatures, result.encoded, lambda: result.typed_digest)
    if stored and stored.state is not KeyState.ACTIVE:
        raise RuleViolation(Code.KEY_REVOKED, f"key {stored.key_id.hex()} is {_name(stored.state)}")
    if stored and result.not_after <= stored.not_after:
        return ()
    entry = _entry_of(result)
    state.put(key_entry(signing_key(result.keys, genesis.scheme)), entry.encoded)
    return (Registered(entry.key_id, result.digest, result.epoch, result.assurance, result.not_after),)


def set_key_status(genesis: Genesis, state: State, context: Context, operation: SetKeyStatus) -> tuple[Event, ...]:
    """Retires or revokes a key; a repeat changes nothing.

    Raises:
        RuleViolation: in this order ``UnknownKey``, ``BadSignature``, ``BadOrder``, ``QuorumMissing``,
            ``BadTransition``.
    """
    del context  # appraisers' word counts at any time
    status = operation.status
    stored = find_key(genesis, state, status.keys)
    if stored is None:
        raise RuleViolation(Code.UNKNOWN_KEY, f"key {status.keys.id.hex()} is not registered")
    if (stored.state, stored.deadline) == (status.state, status.deadline):
        return ()
    check_quorum(genesis, operation.signatures, status.encoded, lambda: status.typed_digest)
    if status.state <= stored.state:
        reason = f"from {_name(stored.state)} to {_name(status.state)}"
        raise RuleViolation(Code.BAD_TRANSITION, reason)
    entry = replace(stored, state=status.state, deadline=status.deadline)
    state.put(key_entry(signing_key(status.keys, genesis.scheme)), entry.encoded)
    return (KeyStatusSet(stored.key_id, status.state, status.deadline),)


def find_key(genesis: Genesis, state: State, keys: KeySet) -> KeyEntry | None:
    """Returns what is registered for an enclave's key of the ledger's scheme."""
    return find_signer(state, signing_key(keys, genesis.scheme))


def find_signer(state: State, signer: bytes) -> KeyEntry | None:
    """Returns what is registered for a signing key."""
    value = state.get(key_entry(signer))
    return None if value is None else KeyEntry.decode(value)


def check_validity(time: int, not_before: int, not_after: int) -> None:
    """Checks that a time lies within a result's validity, both ends included.

    Raises:
        RuleViolation: ``NotYetValid``, ``AttestationExpired``.
    """
    if time < not_before:
        raise RuleViolation(Code.NOT_YET_VALID, f"valid from {not_before}, time is {time}")
    if time > not_after:
        raise RuleViolation(Code.ATTESTATION_EXPIRED, f"valid until {not_after}, time is {time}")


def _check_destination(genesis: Genesis, operation: Register) -> None:
    # The digest is taken over the ids as given: only ascending ids without repetition can give the result's.
    if sha256(*operation.destinations) != operation.result.destinations:
        raise RuleViolation(Code.WRONG_DESTINATION, "the destinations are not those of the result")
    if genesis.destination.id not in operation.destinations:
        reason = f"{genesis.destination.id.hex()} is not among the destinations"
        raise RuleViolation(Code.WRONG_DESTINATION, reason)


def _entry_of(result: AttestationResult) -> KeyEntry:
    return KeyEntry(
        key_id=Digest(result.keys.id),
        result=result.digest,
        state=KeyState.ACTIVE,
        not_before=result.not_before,
        not_after=result.not_after,
        epoch=result.epoch,
        assurance=result.assurance,
        fabric=result.fabric,
        deadline=0,
    )


def _name(state: KeyState) -> str:
    return state.name.lower()
