"""Facts: what the enclaves of a fabric sign for, as a file that the gateway writes and other machines read.

Canonical JSON: ``destinations``, ``epoch``, ``fabric``. It holds no secret. Whoever changes it gets enclaves whose
records no gateway stores and no ledger takes: the destinations of an attestation are the appraiser's.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from fabric.core import canonical
from fabric.core.errors import Malformed, NotFound
from fabric.core.ids import FabricId, parse_word
from fabric.enclave.config import EnclaveConfig
from fabric.trust.attestation import MAX_DESTINATIONS
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.fields import read_integer, read_list, read_object

if TYPE_CHECKING:
    from fabric.core.canonical import JsonObject

MAX_BYTES: Final = 1 << 20
_NAMES: Final = frozenset({"destinations", "epoch", "fabric"})


@dataclass(frozen=True)
class Facts:
    """What an enclave is told, but for the key of its machine.

    Attributes:
        fabric: id of the fabric.
        destinations: the only destinations that batches are signed for.
        epoch: key epoch.
    """

    fabric: FabricId
    destinations: tuple[Destination, ...]
    epoch: int

    def config(self, attester_key: Path) -> EnclaveConfig:
        """Returns what an enclave of this machine is told."""
        return EnclaveConfig(self.fabric, self.destinations, self.epoch, attester_key)

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        document: JsonObject = {
            "destinations": [destination.to_json() for destination in self.destinations],
            "epoch": self.epoch,
            "fabric": self.fabric.hex(),
        }
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(canonical.encode(document))
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644)
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the file.

        Raises:
            NotFound: it is not there yet.
            Malformed: it cannot be read, or is none of ours.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no {path}: the gateway writes it when it starts (cluster.facts)") from error
        except OSError as error:
            raise Malformed(str(path), f"cannot be read: {error.strerror}") from error
        fields = read_object(canonical.decode(data, max_bytes=MAX_BYTES), _NAMES, str(path))
        field = f"{path}: destinations"
        return cls(
            FabricId(parse_word(fields["fabric"], f"{path}: fabric")),
            read_list(fields["destinations"], parse_destination, field, MAX_DESTINATIONS),
            read_integer(fields["epoch"], f"{path}: epoch", 0, 2**53 - 1),
        )
