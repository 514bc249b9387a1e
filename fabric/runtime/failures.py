"""Errors of this room, and errors from the stable codes in which an enclave and the jail answer."""

from typing import Final

from fabric.core.errors import FabricError, Malformed, PlatformError, Refused
from fabric.core.model import Failure


class EnclaveLost(PlatformError):
    """The enclave behind a courier no longer answers; it must be launched and registered anew."""

    code = "enclave-lost"


class CourierLost(PlatformError):
    """The courier, or all of Ray, ended while it carried a frame; the enclave itself may be well."""

    code = "courier-lost"


class DeadlinePassed(PlatformError):
    """No answer came in the time that the caller gave."""

    code = "deadline-passed"


UNKNOWN_BUNDLE: Final = "unknown-bundle"
"""The code by which an enclave says that it has not loaded the bundle of a binding."""


def error_of(failure: Failure) -> FabricError:
    """Returns the error that a code names; a code that nobody here knows is a refusal that says it."""
    if failure.code == Malformed.code:
        return Malformed("enclave request", failure.message)
    kind = _BY_CODE.get(failure.code)
    return Refused(f"{failure.code}: {failure.message}") if kind is None else kind(failure.message)


def is_safe(failure: Failure) -> bool:
    """Says whether what failed may be run again, because it was the platform's fault and had no effect."""
    kind = _BY_CODE.get(failure.code)
    return kind is not None and kind.retry == "safe"


def _kinds(root: type[FabricError]) -> dict[str, type[FabricError]]:
    """Returns the errors that are made of a message alone, by code."""
    found = {root.code: root}
    for kind in root.__subclasses__():
        found |= _kinds(kind)
    return {code: kind for code, kind in found.items() if kind.__init__ is Exception.__init__}


_BY_CODE: Final = _kinds(FabricError)
