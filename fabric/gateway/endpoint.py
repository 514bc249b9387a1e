"""What a running fabric leaves in its state folder for the commands: where it listens, which ledgers it writes to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed, NotFound
from fabric.core.ids import FabricId, parse_word
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.fields import read_integer, read_object, read_text

FILE_NAME: Final = "endpoint.json"
KEY_FILE: Final = Path("keys") / "local-caller.key"
LOCAL_CALLER: Final = "local"
_NAMES: Final = frozenset({"fabric", "ledgers", "pid", "target"})
_LEDGER: Final = frozenset({"destination", "settings"})


@dataclass(frozen=True)
class OpenLedger:
    """A ledger of the running fabric: its deployment and the settings that reach it."""

    destination: Destination
    settings: JsonObject


@dataclass(frozen=True)
class Endpoint:
    """A running fabric.

    Attributes:
        target: gRPC target.
        fabric: id of the deployment.
        pid: process id of the gateway.
        ledgers: its ledgers by configured name.
    """

    target: str
    fabric: FabricId
    pid: int
    ledgers: dict[str, OpenLedger]

    def write(self, state: Path) -> None:
        """Writes the file atomically."""
        ledgers: JsonObject = {
            name: {"destination": item.destination.to_json(), "settings": item.settings}
            for name, item in self.ledgers.items()
        }
        document: JsonObject = {
            "fabric": self.fabric.hex(),
            "ledgers": ledgers,
            "pid": self.pid,
            "target": self.target,
        }
        path = state / FILE_NAME
        draft = path.with_suffix(".new")
        draft.write_bytes(canonical.encode(document))
        draft.replace(path)

    @classmethod
    def read(cls, state: Path) -> Self:
        """Reads the file.

        Raises:
            NotFound: no fabric was started with this state folder, or it has ended.
            Malformed: the file is none of ours.
        """
        path = state / FILE_NAME
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no fabric runs on {state}: start one with `cryptlet up --state {state}`") from error
        except OSError as error:
            raise Malformed(str(path), f"cannot be read: {error.strerror}") from error
        value = read_object(canonical.decode(data), _NAMES, str(path))
        ledgers = value["ledgers"]
        if not isinstance(ledgers, dict):
            raise Malformed(str(path), "ledgers is no object")
        return cls(
            target=read_text(value["target"], f"{path}: target"),
            fabric=FabricId(parse_word(value["fabric"], f"{path}: fabric")),
            pid=read_integer(value["pid"], f"{path}: pid", 1, 2**31),
            ledgers={name: _ledger(item, f"{path}: {name}") for name, item in ledgers.items()},
        )


def read_api_key(state: Path) -> str:
    """Returns the API key of the local caller: ``CRYPTLET_API_KEY``, else the one in the state folder.

    Raises:
        NotFound: neither is there.
    """
    path = state / KEY_FILE
    if key := os.environ.get("CRYPTLET_API_KEY"):
        return key
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"no API key: set CRYPTLET_API_KEY, or start a fabric that writes {path}") from error


def _ledger(value: canonical.JsonValue, field: str) -> OpenLedger:
    fields = read_object(value, _LEDGER, field)
    settings = fields["settings"]
    if not isinstance(settings, dict):
        raise Malformed(field, "settings is no object")
    return OpenLedger(parse_destination(fields["destination"]), settings)
