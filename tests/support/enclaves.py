"""What the enclave's tests share: destinations, a binding of `fingerprint`, records, an attester."""

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.attesters.software import SoftwareAttester
from fabric.core import canonical
from fabric.core.ids import FabricId, InvocationId, Measurement, caller_account, sha256
from fabric.core.model import Invocation
from fabric.enclave.config import EnclaveConfig
from fabric.signers.pair import KeyPair
from fabric.trust.binding import Binding, write_binding
from fabric.trust.destination import Destination
from tests.support.projects import FINGERPRINT, built, signed

AS_OF: Final = 1_700_000_000
EPOCH: Final = 7
FABRIC: Final = FabricId(sha256(b"fabric"))
CODE: Final = Measurement(sha256(b"fabric code"))
ISOLATION: Final = "zygote-ns+lock"
ATTESTER: Final = SoftwareAttester(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
PAIR: Final = KeyPair.generate()
NONCE: Final = sha256(b"nonce")


def destination(kind: str) -> Destination:
    """Returns a destination of a ledger kind."""
    return Destination(kind, sha256(b"chain"), sha256(b"genesis"), bytes(12) + b"s" * 20, sha256(kind.encode()))


NATIVE: Final = destination("native")
ETHEREUM: Final = destination("ethereum")


def config(folder: Path) -> EnclaveConfig:
    """Returns an enclave's config whose attester key lies in a folder."""
    return EnclaveConfig(FABRIC, (NATIVE, ETHEREUM), EPOCH, folder / "attester.key")


def evidence(nonce: bytes = NONCE, fabric: Measurement = CODE, isolation: str = ISOLATION) -> bytes:
    """Returns evidence for the keys of ``PAIR``."""
    return ATTESTER.evidence(nonce, PAIR, fabric, isolation, EPOCH)


def binding(**changes: object) -> Binding:
    """Returns a binding of `fingerprint` with a route to each destination; changes replace its fields."""
    zero = "00" * 32
    fields: dict[str, object] = {
        "name": "fingerprints",
        "cryptlet": "fingerprint@1.0.0",
        "measurement": built(FINGERPRINT).bundle.measurement.hex(),
        "methods": ["document"],
        "callers": ["acme", "bolt"],
        "requesters": [],
        "valid_seconds": 3600,
        "destinations": [
            {"id": NATIVE.id.hex(), "recipient": zero, "consume": False, "codec": {"kind": "json"}},
            {
                "id": ETHEREUM.id.hex(),
                "recipient": zero,
                "consume": False,
                "codec": {"kind": "abi", "fields": [["size", "uint16"], ["sha256", "string"]]},
            },
        ],
    }
    return write_binding(fields | changes)  # type: ignore[arg-type]


def invocation(number: int, data: bytes, *, method: str = "document", caller: str = "acme") -> Invocation:
    """Returns an invocation under ``binding()``."""
    return Invocation(
        id=InvocationId(sha256(b"invocation", number.to_bytes(4, "big"))),
        caller=caller_account(caller),
        binding=binding().version,
        method=method,
        input=data,
        as_of=AS_OF,
    )


def fingerprint() -> tuple[bytes, bytes]:
    """Returns the wheel of `fingerprint` and its publication as canonical JSON."""
    bundle = built(FINGERPRINT)
    return bundle.wheel, canonical.encode(signed(bundle).to_json())
