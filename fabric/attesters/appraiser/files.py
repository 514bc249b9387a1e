"""The appraiser's folder: two key files, its policy, its socket; the same names for who starts it and for itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fabric.attesters.appraiser.policy import AppraisalPolicy
from fabric.signers.create import ED25519, SECP256K1, KeyFile, public_keys
from fabric.trust.attestation import KeySet


@dataclass(frozen=True)
class AppraiserFolder:
    """Paths in one appraiser's folder."""

    path: Path

    @classmethod
    def prepare(cls, path: Path) -> Self:
        """Makes the folder, readable by its owner only, where it is missing."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(path.absolute())

    @property
    def ed25519(self) -> Path:
        """Key file."""
        return self.path / "ed25519.key"

    @property
    def secp256k1(self) -> Path:
        """Key file."""
        return self.path / "secp256k1.key"

    @property
    def policy(self) -> Path:
        """The appraisal policy, canonical JSON."""
        return self.path / "policy.json"

    @property
    def socket(self) -> Path:
        """Its Unix socket."""
        return self.path / "sock"

    @property
    def log(self) -> Path:
        """What it writes to standard error."""
        return self.path / "log"

    async def create_keys(self) -> KeySet:
        """Makes the key files where they are missing, in a process of its own; returns the public keys to pin.

        Raises:
            ConfigError: a key file cannot be used.
        """
        files = (KeyFile(ED25519, self.ed25519), KeyFile(SECP256K1, self.secp256k1))
        return KeySet(*await public_keys(files))

    def write_policy(self, policy: AppraisalPolicy) -> None:
        """Writes the policy that the appraiser reads at its next start."""
        draft = self.policy.with_suffix(".draft")
        draft.write_bytes(policy.to_json())
        draft.replace(self.policy)
