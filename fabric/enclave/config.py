"""What an enclave is told at its start: which fabric, which destinations, which epoch, whose attester key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import FabricId, parse_word
from fabric.trust.attestation import MAX_DESTINATIONS
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.fields import read_integer, read_list, read_object, read_text

SOCKET: Final = "sock"
"""Name of the enclave's socket in its folder."""
_FIELD: Final = "enclave set-up"
_NAMES: Final = frozenset({"attester_key", "destinations", "epoch", "fabric", "folder", "parent"})
_MAX_PATH: Final = 4096


@dataclass(frozen=True)
class EnclaveConfig:
    """The same for the enclave and its signing child, which holds every record against it.

    Attributes:
        fabric: id of the fabric; records of another are not signed.
        destinations: the only destinations that batches are signed for.
        epoch: key epoch, in every header.
        attester_key: key file of the host operator's software attester.
    """

    fabric: FabricId
    destinations: tuple[Destination, ...]
    epoch: int
    attester_key: Path

    def to_json(self) -> JsonObject:
        """Returns the config as a part of the set-up."""
        return {
            "attester_key": str(self.attester_key.absolute()),
            "destinations": [destination.to_json() for destination in self.destinations],
            "epoch": self.epoch,
            "fabric": self.fabric.hex(),
        }


@dataclass(frozen=True)
class SetUp:
    """All that the enclave's process reads from standard input.

    Attributes:
        config: see there.
        folder: the enclave's private folder.
        parent: pid of who started it.
    """

    config: EnclaveConfig
    folder: Path
    parent: int


def parse_set_up(value: JsonValue) -> SetUp:
    """Reads the set-up; raises ``Malformed``."""
    fields = read_object(value, _NAMES, _FIELD)
    destinations = read_list(fields["destinations"], parse_destination, f"{_FIELD}.destinations", MAX_DESTINATIONS)
    if len({destination.id for destination in destinations}) != len(destinations):
        raise Malformed(f"{_FIELD}.destinations", "a destination twice")
    config = EnclaveConfig(
        fabric=FabricId(parse_word(fields["fabric"], f"{_FIELD}.fabric")),
        destinations=destinations,
        epoch=read_integer(fields["epoch"], f"{_FIELD}.epoch", 0, 2**53 - 1),
        attester_key=Path(read_text(fields["attester_key"], f"{_FIELD}.attester_key", _MAX_PATH)),
    )
    folder = Path(read_text(fields["folder"], f"{_FIELD}.folder", _MAX_PATH))
    return SetUp(config, folder, read_integer(fields["parent"], f"{_FIELD}.parent", 1, 2**31))
