"""An enclave in memory that answers frames and signs as the real one does, and a carrier that can break."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core import canonical
from fabric.core.ids import (
    Account,
    BindingVersion,
    DestinationId,
    FabricId,
    InvocationId,
    Measurement,
    intent_id,
    method_word,
    sha256,
)
from fabric.core.model import Failure, Invocation, Outcome
from fabric.runtime.failures import CourierLost
from fabric.runtime.pool import EnclaveHandle
from fabric.runtime.profile import Profile
from fabric.trust.attestation import KeySet
from fabric.trust.batch import Sealed, SignedBatch, header_of
from fabric.trust.binding import write_binding
from fabric.trust.record import Record
from fabric.trust.schemes import ED25519, Signature
from fabric.wire.codec import Description, Load, Loaded, Run, RunResult, Unload, Unloaded, decode_request, encode_reply

NATIVE = DestinationId(sha256(b"native"))
ETHEREUM = DestinationId(sha256(b"ethereum"))
MEASUREMENT = Measurement(sha256(b"bundle"))
CALLER = Account(sha256(b"caller"))
BINDING = write_binding(
    {
        "callers": [],
        "cryptlet": "fingerprint@1.0.0",
        "destinations": [
            {"codec": {"kind": "json"}, "consume": False, "id": name.hex(), "recipient": bytes(32).hex()}
            for name in (NATIVE, ETHEREUM)
        ],
        "measurement": MEASUREMENT.hex(),
        "methods": ["document"],
        "name": "fingerprint",
        "requesters": [],
        "valid_seconds": 3600,
    }
)


def invocation(number: int) -> Invocation:
    return Invocation(
        id=InvocationId(sha256(b"invocation", number.to_bytes(8, "big"))),
        caller=CALLER,
        binding=BindingVersion(BINDING.version),
        method="document",
        input=canonical.encode({"document": number}),
        as_of=1_700_000_000,
    )


def run_of(*numbers: int) -> Run:
    return Run(BINDING.document, tuple(invocation(number) for number in numbers))


def success(call: Invocation) -> Outcome:
    return Outcome(call.id, canonical.encode({"of": call.id.hex()}))


@dataclass
class StandIn:
    """What one enclave would answer."""

    name: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    outcome: Callable[[Invocation], Outcome] = success
    loaded: bool = True
    refusal: Failure | None = None
    requests: list[object] = field(default_factory=list)

    @property
    def handle(self) -> EnclaveHandle:
        keys = KeySet(self.key.public_key().public_bytes_raw(), bytes(20))
        return EnclaveHandle(self.name, Path("/nowhere"), Description(keys, Measurement(bytes(32)), "none", 1, 1))

    def answer(self, frame: bytes) -> bytes:
        if self.refusal is not None:
            return encode_reply(self.refusal)
        request = decode_request(frame)
        self.requests.append(request)
        if isinstance(request, Load):
            self.loaded = True
            return encode_reply(Loaded(MEASUREMENT))
        if isinstance(request, Unload):
            self.loaded = False
            return encode_reply(Unloaded())
        assert isinstance(request, Run)
        if not self.loaded:
            return encode_reply(Failure("unknown-bundle", "not loaded"))
        return encode_reply(self.result(request))

    def result(self, run: Run) -> RunResult:
        outcomes = tuple(self.outcome(call) for call in run.invocations)
        done = [(call, item) for call, item in zip(run.invocations, outcomes, strict=True) if item.failure is None]
        batches = tuple(self._batch(done, route) for route in (NATIVE, ETHEREUM)) if done else ()
        return RunResult(outcomes, batches)

    def _batch(self, done: list[tuple[Invocation, Outcome]], destination: DestinationId) -> SignedBatch:
        entries = tuple(sealed(call, item, destination) for call, item in done)
        header = header_of([entry.record for entry in entries], 1)
        public = self.key.public_key().public_bytes_raw()
        return SignedBatch(header, (Signature(ED25519, public, self.key.sign(header.encoded)),), entries)


def sealed(call: Invocation, outcome: Outcome, destination: DestinationId) -> Sealed:
    record = Record(
        fabric=FabricId(bytes(32)),
        destination=destination,
        recipient=Account(bytes(32)),
        measurement=MEASUREMENT,
        binding=call.binding,
        method=method_word(call.method),
        caller=call.caller,
        invocation=call.id,
        intent=intent_id(call.id, destination),
        input=sha256(call.input),
        output=sha256(outcome.output or b""),
        payload=sha256(b"payload"),
        statement=sha256(b"statement"),
        state_version=call.state_version,
        as_of=call.as_of,
        not_after=call.as_of + 3600,
    )
    return Sealed(record, b"statement", b"payload")


@dataclass
class FakeCarrier:
    """Carries in memory; ``faults`` are raised once each, by enclave, before anything is carried."""

    stand_ins: dict[str, StandIn]
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    tamper: Callable[[bytes], bytes] = bytes
    hired: dict[int, str] = field(default_factory=dict)

    async def hire(self, name: str, path: Path, profile: Profile) -> int:  # noqa: ARG002
        number = len(self.hired) + 1
        self.hired[number] = name
        return number

    async def dismiss(self, courier: int) -> None:
        del self.hired[courier]

    async def exchange(self, courier: int, frame: bytes, seconds: float) -> bytes:  # noqa: ARG002
        if courier not in self.hired:
            raise CourierLost("no such courier")
        name = self.hired[courier]
        if self.faults.get(name):
            raise self.faults[name].pop(0)
        return self.tamper(self.stand_ins[name].answer(frame))
