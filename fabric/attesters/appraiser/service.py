"""What the appraiser does: fresh nonces, appraisal under its policy, results and key states signed by both schemes."""

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from fabric.attesters.appraiser.policy import AppraisalPolicy
from fabric.core.clock import Clock
from fabric.core.errors import Refused
from fabric.core.ids import DestinationId
from fabric.signers.pair import KeyPair
from fabric.trust.appraisal.evidence import NONCE_BYTES, Claims
from fabric.trust.appraisal.kinds import appraise
from fabric.trust.attestation import AttestationResult, KeySet, KeyStatus, destinations_digest
from fabric.trust.proof import Attestation
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature

NONCE_SECONDS: Final = 120
MAX_NONCES: Final = 4096


class Nonces:
    """Fresh nonces, each good for one appraisal within ``NONCE_SECONDS``."""

    def __init__(self, clock: Clock) -> None:
        """Takes the clock by which they expire."""
        self._clock = clock
        self._expiry: OrderedDict[bytes, float] = OrderedDict()

    def issue(self) -> bytes:
        """Returns 32 random bytes; beyond ``MAX_NONCES`` open ones the oldest is forgotten."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        self._expiry[nonce] = self._clock.monotonic_seconds() + NONCE_SECONDS
        if len(self._expiry) > MAX_NONCES:
            self._expiry.popitem(last=False)
        return nonce

    def spend(self, nonce: bytes) -> None:
        """Uses a nonce up; raises ``Refused`` when it was never issued, is used already, or expired."""
        expiry = self._expiry.pop(nonce, None)
        if expiry is None:
            message = "the nonce was not issued here or is used already"
            raise Refused(message)
        if self._clock.monotonic_seconds() > expiry:
            message = f"the nonce is older than {NONCE_SECONDS} seconds"
            raise Refused(message)


class Appraiser:
    """Judges evidence under one policy with one pair of keys."""

    def __init__(self, pair: KeyPair, policy: AppraisalPolicy, clock: Clock) -> None:
        """Takes the appraiser's keys, its policy and the clock of results' validity."""
        self._pair = pair
        self._policy = policy
        self._clock = clock
        self._nonces = Nonces(clock)

    @property
    def keys(self) -> KeySet:
        """The public keys that ledgers and policies pin."""
        return self._pair.keys

    def nonce(self) -> bytes:
        """Issues a nonce for one piece of evidence."""
        return self._nonces.issue()

    def appraise(self, nonce: bytes, evidence: bytes, destinations: Sequence[DestinationId]) -> Attestation:
        """Appraises evidence made for an issued nonce; the nonce is spent whatever comes of it.

        Args:
            nonce: as ``nonce`` issued it.
            evidence: canonical JSON, see docs/spec/evidence.md.
            destinations: ids that the result shall name.

        Raises:
            Malformed: not evidence.
            VerificationError: step ``evidence``.
            Refused: the nonce, or the policy line that is not met.
        """
        self._nonces.spend(nonce)
        claims = appraise(evidence, nonce)
        wanted = frozenset(destinations)
        self._policy.check(claims, wanted)
        result = self._result(claims, tuple(sorted(wanted)))
        return Attestation(result, tuple(sorted(wanted)), self._pair.sign(result))

    def key_status(self, status: KeyStatus) -> tuple[Signature, ...]:
        """Signs an operator's decision that an enclave's keys retire or are revoked."""
        return self._pair.sign(status)

    def code_revocation(self, revocation: CodeRevocation) -> tuple[Signature, ...]:
        """Signs an operator's decision that results of a bundle do not count from a time on."""
        return self._pair.sign(revocation)

    def _result(self, claims: Claims, destinations: tuple[DestinationId, ...]) -> AttestationResult:
        now, subject = self._clock.unix_seconds(), claims.subject
        return AttestationResult(
            keys=subject.keys,
            fabric=subject.fabric,
            isolation=subject.isolation,
            assurance=claims.assurance,
            epoch=subject.epoch,
            not_before=max(0, now - self._policy.skew_seconds),
            not_after=now + self._policy.valid_seconds,
            destinations=destinations_digest(destinations),
            evidence=claims.evidence,
        )
