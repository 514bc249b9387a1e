"""The enclave's socket as a typed client. Whoever only carries frames needs the bytes alone: ``ask_bytes``."""

from pathlib import Path
from typing import Final, Self, TypeVar

from fabric.core.errors import Malformed, Refused
from fabric.core.ids import Measurement
from fabric.core.model import Failure, Invocation
from fabric.wire.codec import (
    Describe,
    Description,
    EnclaveReply,
    EnclaveRequest,
    Evidence,
    Load,
    Loaded,
    MakeEvidence,
    Run,
    RunResult,
    decode_reply,
    encode_request,
)
from fabric.wire.local import Line

R = TypeVar("R", Description, Evidence, Loaded, RunResult)
MAX_REPLY_BYTES: Final = 256 << 20


class EnclaveRefused(Refused):
    """The enclave answered with a failure.

    Attributes:
        failure: its stable code and its text.
    """

    code = "enclave-refused"

    def __init__(self, failure: Failure) -> None:
        """Takes the failure."""
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure


class EnclaveClient:
    """Talks to one enclave; requests wait for one another, so use several clients for parallel batches.

    Every method raises ``EnclaveRefused`` for a failure and ``PlatformError`` when the enclave does not answer.
    """

    def __init__(self, socket: Path) -> None:
        """Connects when first asked."""
        self._line = Line(socket, MAX_REPLY_BYTES)

    async def describe(self) -> Description:
        """Returns who the enclave says it is."""
        return _expect(Description, await self._ask(Describe()))

    async def evidence(self, nonce: bytes) -> bytes:
        """Returns evidence for an appraiser's nonce of 32 bytes."""
        return _expect(Evidence, await self._ask(MakeEvidence(nonce))).document

    async def load(self, wheel: bytes, publication: bytes, dependencies: tuple[bytes, ...] = ()) -> Measurement:
        """Loads a bundle; returns its measurement."""
        return _expect(Loaded, await self._ask(Load(wheel, publication, dependencies))).measurement

    async def run(self, binding: bytes, invocations: tuple[Invocation, ...]) -> RunResult:
        """Runs a batch under a binding; the failure ``unknown-bundle`` asks for its bundle first."""
        return _expect(RunResult, await self._ask(Run(binding, invocations)))

    async def ask_bytes(self, request: bytes) -> bytes:
        """Carries an encoded request; returns the encoded reply."""
        return await self._line.ask(request)

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        await self._line.aclose()

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connection."""
        await self.aclose()

    async def _ask(self, request: EnclaveRequest) -> EnclaveReply:
        return decode_reply(await self.ask_bytes(encode_request(request)))


def _expect(kind: type[R], reply: EnclaveReply) -> R:
    if isinstance(reply, Failure):
        raise EnclaveRefused(reply)
    if not isinstance(reply, kind):
        raise Malformed("enclave reply", f"expected {kind.__name__}, got {type(reply).__name__}")
    return reply
