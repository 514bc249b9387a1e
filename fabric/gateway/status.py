"""One table from error code to gRPC status and exit code; imports no gRPC, so that the command can use it."""

from typing import Final, NamedTuple

from fabric.core.errors import FabricError


class Row(NamedTuple):
    """How an error leaves the process: gRPC status name and exit code of the command."""

    grpc: str
    exit_code: int


EXIT_USAGE: Final = 2
"""The input could not be read at all."""
EXIT_REFUSED: Final = 3
"""Read, checked and refused."""

TABLE: Final[dict[str, Row]] = {
    "fabric": Row("UNKNOWN", 1),
    "malformed": Row("INVALID_ARGUMENT", EXIT_USAGE),
    "refused": Row("FAILED_PRECONDITION", EXIT_REFUSED),
    "unauthenticated": Row("UNAUTHENTICATED", EXIT_REFUSED),
    "unauthorized": Row("PERMISSION_DENIED", EXIT_REFUSED),
    "code-revoked": Row("FAILED_PRECONDITION", EXIT_REFUSED),
    "oversize": Row("RESOURCE_EXHAUSTED", EXIT_USAGE),
    "source-refused": Row("FAILED_PRECONDITION", EXIT_REFUSED),
    "not-found": Row("NOT_FOUND", EXIT_USAGE),
    "config": Row("FAILED_PRECONDITION", EXIT_USAGE),
    "plugin": Row("FAILED_PRECONDITION", 1),
    "verification": Row("FAILED_PRECONDITION", EXIT_REFUSED),
    "cryptlet-failed": Row("ABORTED", 4),
    "author": Row("FAILED_PRECONDITION", EXIT_USAGE),
    "cryptlet-raised": Row("ABORTED", 4),
    "limit-exceeded": Row("RESOURCE_EXHAUSTED", 4),
    "platform": Row("UNAVAILABLE", 5),
    "no-capacity": Row("UNAVAILABLE", 5),
    "container-lost": Row("UNAVAILABLE", 5),
    "sandbox": Row("FAILED_PRECONDITION", 5),
    "attestation": Row("UNAVAILABLE", 5),
    "signing": Row("UNAVAILABLE", 5),
    "not-vouched": Row("UNAVAILABLE", 5),
    "store": Row("UNAVAILABLE", 5),
    "row-tampered": Row("FAILED_PRECONDITION", 5),
    "ledger": Row("FAILED_PRECONDITION", 6),
    "rule-violation": Row("FAILED_PRECONDITION", 6),
    "ledger-silent": Row("UNAVAILABLE", 6),
    "ledger-unavailable": Row("UNAVAILABLE", 6),
    "fees-above-cap": Row("UNAVAILABLE", 6),
    "submit": Row("UNKNOWN", 6),
    "reverted": Row("FAILED_PRECONDITION", 6),
    "reorged": Row("DATA_LOSS", 6),
    "foreign-ledger": Row("FAILED_PRECONDITION", 6),
    "proof-not-ready": Row("UNAVAILABLE", 7),
    "remote": Row("UNAVAILABLE", 8),
}


def row_of(error: FabricError) -> Row:
    """Returns the row of an error's class, or of its nearest ancestor that has one.

    An error that another fabric reported (``fabric.client.RemoteError``) has the row of its code there.
    """
    reported = getattr(error, "remote_code", None)
    if reported in TABLE:
        return TABLE[reported]
    for kind in type(error).__mro__:
        code = kind.__dict__.get("code")
        if code in TABLE:
            return TABLE[code]
    return TABLE["fabric"]
