"""Ray's token, tried by itself: Ray's own tools retry a wrong one for most of a minute instead of saying so.

One question to Ray's control service (GCS), whose answer tells whether the token lets us in. Every process of a cluster
asks that service with the same token.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import grpc

SECONDS: Final = 2.0
"""A bound for a service that does not answer; one that does takes milliseconds."""
_DENIED: Final = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_QUESTION: Final = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_VARIABLE: Final = "RAY_AUTH_TOKEN"
_FILE_VARIABLE: Final = "RAY_AUTH_TOKEN_PATH"
_FILE: Final = Path(".ray/auth_token")


class Answer(StrEnum):
    """What a cluster says to a token."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "silent"
    """Nothing answers at the address, or something else than Ray."""


def ask(address: str, token: str | None) -> Answer:
    """Asks a cluster's control service; blocks for ``SECONDS`` at most.

    Args:
        address: ``host:port`` of the service.
        token: the token; None sends none.
    """
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(address) as channel:
        try:
            call: Any = channel.unary_unary(_QUESTION)
            call(b"", timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            failed: Any = error
            return Answer.REFUSED if failed.code() in _DENIED else Answer.SILENT
    return Answer.ANSWERED


def own_token(environ: Mapping[str, str] = os.environ) -> str | None:
    """Returns the token that Ray would take: of the variable, of the file that a variable names, of the user's file."""
    if token := environ.get(_VARIABLE):
        return token
    path = Path(environ[_FILE_VARIABLE]) if _FILE_VARIABLE in environ else Path(environ.get("HOME", "/")) / _FILE
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
