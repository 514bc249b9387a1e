"""The software attester: evidence that a host operator's key vouches for. Runs inside the enclave's signing child."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core.ids import Measurement
from fabric.signers.files import ed25519_key
from fabric.signers.pair import KeyPair
from fabric.trust.appraisal.evidence import Subject
from fabric.trust.appraisal.software import KIND, message_of, write_evidence
from fabric.trust.schemes import ED25519, Signature


@dataclass(frozen=True)
class SoftwareAttester:
    """Holds the operator's key; its public half is pinned in the appraisers' policies."""

    key: Ed25519PrivateKey

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads the operator's key file, created where missing; raises ``ConfigError``."""
        return cls(ed25519_key(path))

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self.key.public_key().public_bytes_raw()

    def evidence(self, nonce: bytes, pair: KeyPair, fabric: Measurement, isolation: str, epoch: int) -> bytes:
        """Returns evidence for an enclave's keys; the report data are computed here from its parts.

        Args:
            nonce: the appraiser's 32 bytes.
            pair: the enclave's keys, which show that it holds them.
            fabric: measurement of the fabric's code.
            isolation: name of the isolation level.
            epoch: key epoch.
        """
        subject = Subject(nonce, pair.keys, fabric, isolation, epoch, platform_facts())
        body = subject.to_json(KIND, pair.sign(subject.possession))
        signature = Signature(ED25519, self.public_key, self.key.sign(message_of(body)))
        return write_evidence(body, signature)


def platform_facts() -> dict[str, str]:
    """Returns what the machine says of itself, for people; nothing rests on it."""
    return {
        "implementation": platform.python_implementation(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
