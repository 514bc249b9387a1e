"""Revocation of code: which bundles' results nobody may act on any more, by the word of the appraisers."""

from dataclasses import replace

from fabric.core.ids import Measurement
from fabric.ledger.rules.entries import BatchEntry, code_entry
from fabric.ledger.rules.events import CodeRevocationSet, Event
from fabric.ledger.rules.operations import RevokeCode
from fabric.ledger.rules.quorum import check_quorum
from fabric.ledger.rules.state import Context, Genesis, State
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust import words
from fabric.trust.revocation import CodeRevocation


def revoke_code(genesis: Genesis, state: State, context: Context, operation: RevokeCode) -> tuple[Event, ...]:
    """Revokes a bundle's results; a repeat changes nothing, nor does a later time than the stored one.

    Raises:
        RuleViolation: in this order ``BadSignature``, ``BadOrder``, ``QuorumMissing``.
    """
    del context  # appraisers' word counts at any time
    revocation = operation.revocation
    stored = find_revocation(state, revocation.measurement)
    if stored is not None and stored <= revocation.since:
        return ()
    check_quorum(genesis, operation.signatures, revocation.encoded, lambda: revocation.typed_digest)
    state.put(code_entry(revocation.measurement), words.uint(revocation.since))
    return (CodeRevocationSet(revocation.measurement, revocation.since),)


def find_revocation(state: State, measurement: Measurement) -> int | None:
    """Returns since when a bundle's results do not count, Unix seconds; None where it is not revoked."""
    value = state.get(code_entry(measurement))
    return None if value is None else read_revocation(value)


def standing_revocation(state: State, revocation: CodeRevocation) -> bytes:
    """Returns the digest of the stored revocation by which a revocation holds; nothing where it does not hold."""
    stored = find_revocation(state, revocation.measurement)
    return replace(revocation, since=stored).digest if stored is not None and stored <= revocation.since else b""


def read_revocation(value: bytes) -> int:
    """Reads the value of a ``code_entry``; raises ``Malformed``."""
    return words.read_uint(value, "code entry")


def check_code(state: State, measurement: Measurement, batch: BatchEntry) -> None:
    """Checks that a record's code was not revoked when its batch was settled.

    What was settled before stays good, so that a revocation takes nothing back that somebody has relied on.

    Raises:
        RuleViolation: ``CodeRevoked``.
    """
    since = find_revocation(state, measurement)
    if since is not None and batch.time >= since:
        reason = f"code {measurement.hex()} is revoked since {since}, its batch was settled at {batch.time}"
        raise RuleViolation(Code.CODE_REVOKED, reason)
