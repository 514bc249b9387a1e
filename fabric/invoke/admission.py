"""Admit: a caller's call -> an ``Invocation`` whose every deciding value is fixed, or a failure of that call alone."""

from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.errors import FabricError, Malformed, NotFound, Oversize, Refused
from fabric.core.ids import FabricId, caller_account, invocation_id
from fabric.core.model import Failure, Invocation
from fabric.core.plugins import nearest
from fabric.enclave.run import MAX_DEADLINE_MS
from fabric.invoke.catalogue import Listed
from fabric.trust.binding import Binding
from fabric.trust.sources import longest_input
from fabric.wire.service import Answer, Call

MAX_KEY_LENGTH: Final = 200


@dataclass(frozen=True)
class Desk:
    """What admission needs to know beyond the call.

    Attributes:
        fabric: this deployment.
        deadline_ms: run time of a call that names none.
    """

    fabric: FabricId
    deadline_ms: int

    def admit(self, caller: str, binding: Binding, listed: Listed, call: Call, as_of: int) -> Invocation:
        """Checks one call and fixes its values.

        Raises:
            Refused: a limit, a method that the binding does not allow.
            Malformed: input that is no JSON, for a method that takes JSON.
        """
        _check_key(call.idempotency_key)
        _check_method(binding, listed, call.method)
        if call.deadline_ms > MAX_DEADLINE_MS:
            raise Refused(f"deadline_ms: at most {MAX_DEADLINE_MS}, got {call.deadline_ms}")
        _check_length(binding, call.input)
        account = caller_account(caller)
        return Invocation(
            id=invocation_id(self.fabric, account, call.idempotency_key),
            caller=account,
            binding=binding.version,
            method=call.method,
            input=call.input if listed.takes_file(call.method) else _canonical(call.input),
            as_of=as_of,
            deadline_ms=call.deadline_ms or self.deadline_ms,
        )


def refusal(error: FabricError, invocation: bytes = b"") -> Answer:
    """Returns the answer to a call that was refused."""
    return Answer(invocation, None, Failure(error.code, str(error)), str(error.retry))


def _canonical(data: bytes) -> bytes:
    return canonical.encode(canonical.parse(data))


def _check_length(binding: Binding, data: bytes) -> None:
    if len(data) > (most := longest_input(binding)):
        raise Oversize(f"input: at most {most} bytes, got {len(data)}")


def _check_key(key: str) -> None:
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise Malformed("idempotency_key", f"expected 1 to {MAX_KEY_LENGTH} characters, got {len(key)}")
    if not key.isprintable():
        raise Malformed("idempotency_key", "expected printable characters only")


def _check_method(binding: Binding, listed: Listed, method: str) -> None:
    if method not in listed.manifest.methods:
        known = sorted(listed.manifest.methods)
        raise NotFound(f"{listed.manifest.title} has no method {method[:80]!r}{nearest(method, known)}")
    if method not in binding.methods:
        raise Refused(
            f"binding {binding.name!r} does not allow method {method!r}{nearest(method, sorted(binding.methods))}"
        )
