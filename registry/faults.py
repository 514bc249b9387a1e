"""Faults: errors that nobody outside can do anything about, noted in the log under an id, which is all that is told."""

import secrets
import traceback

import structlog

from fabric.core.errors import FabricError

_log = structlog.get_logger(__name__)


def noted(error: Exception, path: str) -> FabricError:
    """Logs an error that was met while a path was answered, with its trace; returns what may be told of it."""
    fault = secrets.token_hex(8)
    # Text already, for a renderer may show the variables of each frame too, and a token may be among them.
    _log.error("fault", fault=fault, path=path, trace="".join(traceback.format_exception(error)))
    return FabricError(f"the registry failed at this request; its operator finds the cause in the log as fault {fault}")
