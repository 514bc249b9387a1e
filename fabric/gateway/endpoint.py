"""What a fabric leaves in its state folder for the commands: where it listens while it runs, and its ledgers."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed, NotFound
from fabric.core.ids import FabricId, parse_word
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.fields import read_hex, read_integer, read_object, read_text

FILE_NAME: Final = "endpoint.json"
LEDGERS_NAME: Final = "ledgers.json"
KEY_FILE: Final = Path("keys") / "local-caller.key"
LOCAL_CALLER: Final = "local"
_NAMES: Final = frozenset({"fabric", "ledgers", "pid", "target"})
_LEDGER: Final = frozenset({"account", "destination", "settings"})


@dataclass(frozen=True)
class OpenLedger:
    """A ledger of the fabric.

    Attributes:
        destination: its deployment.
        settings: what reaches it.
        account: who pays for the fabric's transactions there; empty where nobody does.
    """

    destination: Destination
    settings: JsonObject
    account: bytes = b""


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
        document: JsonObject = {
            "fabric": self.fabric.hex(),
            "ledgers": _ledgers_to_json(self.ledgers),
            "pid": self.pid,
            "target": self.target,
        }
        _write(state / FILE_NAME, document)

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
        value = read_object(_decode(path, data), _NAMES, str(path))
        return cls(
            target=read_text(value["target"], f"{path}: target"),
            fabric=FabricId(parse_word(value["fabric"], f"{path}: fabric")),
            pid=read_integer(value["pid"], f"{path}: pid", 1, 2**31),
            ledgers=_ledgers(value["ledgers"], f"{path}: ledgers"),
        )


def write_ledgers(state: Path, ledgers: dict[str, OpenLedger]) -> None:
    """Writes down which ledgers the fabric has; unlike the endpoint it stays when the fabric ends or does not start."""
    _write(state / LEDGERS_NAME, _ledgers_to_json(ledgers))


def read_ledgers(state: Path) -> dict[str, OpenLedger]:
    """Reads the ledgers of a fabric that runs, or ran, on a state folder.

    Raises:
        NotFound: no fabric was ever started there.
        Malformed: the file is none of ours.
    """
    path = state / LEDGERS_NAME
    try:
        return _ledgers(_decode(path, path.read_bytes()), str(path))
    except FileNotFoundError as error:
        raise NotFound(
            f"no fabric was started on {state} yet: `cryptlet up --state {state}` makes its ledgers"
        ) from error
    except OSError as error:
        raise Malformed(str(path), f"cannot be read: {error.strerror}") from error


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


def _decode(path: Path, data: bytes) -> canonical.JsonValue:
    try:
        return canonical.decode(data)
    except Malformed as error:
        raise Malformed(str(path), f"{error.reason}; the next `cryptlet up` writes it anew") from error


def _write(path: Path, document: JsonObject) -> None:
    draft = path.with_suffix(".new")
    draft.write_bytes(canonical.encode(document))
    draft.replace(path)


def _ledgers_to_json(ledgers: dict[str, OpenLedger]) -> JsonObject:
    return {
        name: {"account": item.account.hex(), "destination": item.destination.to_json(), "settings": item.settings}
        for name, item in ledgers.items()
    }


def _ledgers(value: canonical.JsonValue, field: str) -> dict[str, OpenLedger]:
    if not isinstance(value, dict):
        raise Malformed(field, "expected an object")
    return {name: _ledger(item, f"{field}: {name}") for name, item in value.items()}


def _ledger(value: canonical.JsonValue, field: str) -> OpenLedger:
    fields = read_object(value, _LEDGER, field)
    settings = fields["settings"]
    if not isinstance(settings, dict):
        raise Malformed(field, "settings is no object")
    return OpenLedger(parse_destination(fields["destination"]), settings, read_hex(fields["account"], field))
