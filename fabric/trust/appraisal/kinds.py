"""The closed table of evidence kinds. A kind that is not in it is refused; each states the most it can show.

There is no way for evidence to name its own assurance: it is a constant of the kind's own code, so simulated evidence
can never pass as more.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed, VerificationError
from fabric.trust.appraisal import software
from fabric.trust.appraisal.evidence import MAX_BYTES, STEP, Claims

KINDS: Final[Mapping[str, Callable[[bytes, JsonObject], Claims]]] = MappingProxyType({software.KIND: software.appraise})


def appraise(document: bytes, nonce: bytes | None = None) -> Claims:
    """Turns evidence into checked claims; whether they suffice, a policy decides.

    Args:
        document: canonical JSON, see docs/spec/evidence.md.
        nonce: the nonce that must be in it; None where an appraiser's result vouches for its freshness.

    Raises:
        Malformed: not evidence.
        VerificationError: step ``evidence``, with the reason.
    """
    value = canonical.decode_object(document, max_bytes=MAX_BYTES)
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise Malformed("evidence.kind", f"expected one of {', '.join(KINDS)}")
    claims = KINDS[kind](document, value)
    if nonce is not None and claims.subject.nonce != nonce:
        raise VerificationError(STEP, "made for another nonce")
    return claims
