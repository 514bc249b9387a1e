"""Every error of the platform: one root; each says who must act and whether a retry is allowed.

Messages are lower case and carry expected and got; they never hold secrets or payloads. Foreign
exceptions are converted at the port that met them. Misuse by our own code stays ``RuntimeError`` or
``ValueError``.
"""

from enum import StrEnum
from typing import ClassVar


class Retry(StrEnum):
    """Whether the caller may repeat what failed."""

    NEVER = "never"
    """The same request fails again."""
    SAFE = "safe"
    """Nothing happened; repeating cannot double an effect."""
    UNKNOWN = "unknown"
    """It may have happened: ask before repeating."""


class Party(StrEnum):
    """Who must act before a retry can succeed."""

    CALLER = "caller"
    AUTHOR = "author"
    OPERATOR = "operator"
    LEDGER = "ledger"


class FabricError(Exception):
    """Root of the platform's errors. ``code`` is stable; the text is for people."""

    code: ClassVar[str] = "fabric"
    retry: ClassVar[Retry] = Retry.NEVER
    party: ClassVar[Party] = Party.OPERATOR


class Malformed(FabricError):
    """Bytes that are not a value of their format.

    Attributes:
        format: the format or field that was being read.
        reason: what was expected and what was found.
    """

    code = "malformed"
    party = Party.CALLER

    def __init__(self, format: str, reason: str) -> None:  # noqa: A002 - the field's own name
        """Names the format and the reason."""
        super().__init__(f"{format}: {reason}")
        self.format = format
        self.reason = reason


class Refused(FabricError):
    """A well-formed request that policy or state forbids."""

    code = "refused"
    party = Party.CALLER


class Unauthenticated(Refused):
    """The caller did not show who it is."""

    code = "unauthenticated"


class Unauthorized(Refused):
    """The caller is known and may not do this."""

    code = "unauthorized"


class CodeRevoked(Refused):
    """Code that its publisher or its registry has revoked, for good."""

    code = "code-revoked"


class Oversize(Refused):
    """An input beyond a stated limit."""

    code = "oversize"


class SourceRefused(Refused):
    """A ledger event that an invocation rests on does not hold under its binding."""

    code = "source-refused"


class NotFound(FabricError):
    """A name or id that nothing here bears."""

    code = "not-found"
    party = Party.CALLER


class ConfigError(FabricError):
    """A configuration that cannot be used; names file, key and the nearest valid key."""

    code = "config"


class PluginError(FabricError):
    """A configured plug-in that is missing or cannot be loaded."""

    code = "plugin"


class VerificationError(FabricError):
    """A check that did not hold. Fails closed.

    Attributes:
        step: the name of the numbered step that failed, see ``fabric.trust.verifier``.
    """

    code = "verification"
    party = Party.CALLER

    def __init__(self, step: str, reason: str) -> None:
        """Names the step and the reason."""
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason


class CryptletFailed(FabricError):
    """The cryptlet did not give a result; its author must act."""

    code = "cryptlet-failed"
    party = Party.AUTHOR


class AuthorError(CryptletFailed):
    """A cryptlet class or bundle that cannot be used as written."""

    code = "author"


class CryptletRaised(CryptletFailed):
    """The cryptlet raised an exception or returned what its type does not allow."""

    code = "cryptlet-raised"


class LimitExceeded(CryptletFailed):
    """The cryptlet went beyond a limit of time, memory or size."""

    code = "limit-exceeded"


class PlatformError(FabricError):
    """A part of the fabric is not available; nothing took effect."""

    code = "platform"
    retry = Retry.SAFE


class NoCapacity(PlatformError):
    """No enclave of the pool can take the work now."""

    code = "no-capacity"


class ContainerLost(PlatformError):
    """A container ended in the middle of an invocation through no known fault of the cryptlet."""

    code = "container-lost"


class SandboxUnavailable(PlatformError):
    """The sandbox cannot be built, or an attack of the self-test got through.

    Serving is refused.
    """

    code = "sandbox"
    retry = Retry.NEVER


class AttestationFailed(PlatformError):
    """Evidence could not be produced or was not accepted."""

    code = "attestation"


class SigningFailed(PlatformError):
    """The signing child refused or is gone."""

    code = "signing"


class NotVouched(PlatformError):
    """Code that no registry vouches for now; once one does, the same request may succeed."""

    code = "not-vouched"


class StoreError(PlatformError):
    """The database did not commit."""

    code = "store"


class LedgerError(FabricError):
    """A ledger did not do what was asked."""

    code = "ledger"
    party = Party.LEDGER


class LedgerUnavailable(LedgerError):
    """The ledger did not answer a read; nothing was asked of it."""

    code = "ledger-unavailable"
    retry = Retry.SAFE


class LedgerSilent(LedgerUnavailable):
    """The ledger did not answer at all; asking it for less would get no answer either."""

    code = "ledger-silent"


class FeesAboveCap(LedgerUnavailable):
    """The ledger takes nothing for what may be paid; it is asked again when its fees may have fallen."""

    code = "fees-above-cap"
    party = Party.OPERATOR


class SubmitError(LedgerError):
    """A submission whose outcome is unknown: ask ``status`` before repeating."""

    code = "submit"
    retry = Retry.UNKNOWN


class Reverted(LedgerError):
    """The ledger executed the submission and refused its effect."""

    code = "reverted"


class Reorged(LedgerError):
    """The ledger replaced blocks beyond the configured finality."""

    code = "reorged"


class ForeignLedger(LedgerError):
    """The ledger that answers is not the one that was configured (other genesis, chain id or contract)."""

    code = "foreign-ledger"
    party = Party.OPERATOR


class ProofNotReady(FabricError):
    """The result is accepted but its ledger has not confirmed it yet."""

    code = "proof-not-ready"
    retry = Retry.SAFE
    party = Party.LEDGER
