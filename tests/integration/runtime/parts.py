"""Real parts for these tests: an enclave, a published cryptlet, a binding, a state folder."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.bundles.build import build
from fabric.core import canonical
from fabric.core.ids import FabricId, InvocationId, caller_account, sha256
from fabric.core.model import Invocation
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.launch import EnclaveProcess, launch
from fabric.runtime.cluster import ClusterConfig
from fabric.runtime.pool import EnclaveHandle
from fabric.trust.binding import Binding, write_binding
from fabric.trust.destination import Destination
from fabric.trust.publication import Publication, measure
from fabric.trust.schemes import ED25519, Signature
from fabric.wire.codec import Load

LEDGER = Destination("native", bytes(32), bytes(32), bytes(32), bytes(32))
FABRIC = FabricId(sha256(b"fabric"))
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class State:
    """A state folder as ``cryptlet up`` lays it out."""

    folder: Path

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def enclaves(self) -> Path:
        return self.folder / "enclaves"

    def make(self) -> "State":
        for path in (self.keys, self.enclaves):
            path.mkdir(parents=True, mode=0o700)
        return self

    def cluster(self) -> ClusterConfig:
        return ClusterConfig(self.folder / "ray", hidden=(self.folder,), reachable=(self.enclaves,), cpus=2)


@asynccontextmanager
async def enclave(state: State, name: str) -> AsyncIterator[tuple[EnclaveProcess, EnclaveHandle]]:
    config = EnclaveConfig(FABRIC, (LEDGER,), 1, state.keys / "attester")
    process = await launch(state.enclaves / name, config)
    try:
        yield process, EnclaveHandle(name, process.socket, await process.describe())
    finally:
        await process.aclose()


@cache
def bundle() -> Load:
    """The fingerprint cryptlet, published by a key of its own."""
    built = build(ROOT / "cryptlets/utility/fingerprint")
    manifest = built.bundle.manifest
    lock = sha256(canonical.encode([]))
    assert built.bundle.measurement == measure(sha256(built.wheel), lock)
    key = Ed25519PrivateKey.generate()
    name, version = manifest.title.split("@")
    draft = Publication(name, version, "utility", sha256(built.wheel), lock, Signature(ED25519, b"", b""))
    signature = Signature(ED25519, key.public_key().public_bytes_raw(), key.sign(canonical.encode(draft.fields)))
    signed = Publication(name, version, "utility", draft.wheel, lock, signature)
    return Load(built.wheel, canonical.encode(signed.to_json()))


@cache
def binding() -> Binding:
    built = build(ROOT / "cryptlets/utility/fingerprint")
    return write_binding(
        {
            "callers": ["alice"],
            "cryptlet": built.bundle.manifest.title,
            "destinations": [
                {"codec": {"kind": "json"}, "consume": False, "id": LEDGER.id.hex(), "recipient": bytes(32).hex()}
            ],
            "measurement": built.bundle.measurement.hex(),
            "methods": ["document", "file"],
            "name": "fingerprint",
            "requesters": [],
            "valid_seconds": 3600,
        }
    )


def invocation(number: int) -> Invocation:
    return Invocation(
        id=InvocationId(sha256(b"invocation", number.to_bytes(8, "big"))),
        caller=caller_account("alice"),
        binding=binding().version,
        method="document",
        input=canonical.encode({"document": number}),
        as_of=1_700_000_000,
    )


def expected(number: int) -> bytes:
    text = str(number).encode()
    return canonical.encode({"sha256": hashlib.sha256(text).hexdigest(), "size": len(text)})
