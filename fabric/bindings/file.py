"""A binding as people write it: TOML with names of ledgers, turned into the canonical document.

name = "shipments"
cryptlet = "cold-chain@1.0.0"
measurement = "..."            # 64 hexadecimal digits, as `cryptlet publish` prints them
methods = ["judge"]
callers = ["local"]
valid_seconds = 604800

[[destinations]]
ledger = "ethereum"
recipient = "0x..."            # left out: anchored, never consumed
consume = true                 # left out: the recipient fetches it itself
codec = { kind = "abi", fields = [["accepted", "bool"]] }
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import NOBODY, WORD_BYTES
from fabric.core.plugins import nearest
from fabric.trust.binding import Binding, write_binding
from fabric.trust.destination import Destination

DEFAULT_VALID_SECONDS: Final = 7 * 86_400


_Account = Annotated[str, Field(pattern=r"^(0x)?([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$")]
"""An EVM address or a whole word; any other number of digits is a slip that would name somebody else."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Destination(_Table):
    ledger: str
    recipient: _Account = NOBODY.hex()
    consume: bool = False
    codec: dict[str, Any] = {"kind": "json"}


class _File(_Table):
    name: str
    cryptlet: str
    measurement: str
    methods: list[str]
    callers: list[str] = []
    requesters: list[_Account] = []
    valid_seconds: int = DEFAULT_VALID_SECONDS
    destinations: list[_Destination]


def read_binding_file(path: Path, ledgers: Mapping[str, Destination]) -> Binding:
    """Reads a binding file.

    Args:
        path: the TOML file.
        ledgers: the fabric's ledgers by name.

    Raises:
        Malformed: names the file and the key; for an unknown ledger, the nearest known one.
    """
    try:
        values = tomllib.loads(path.read_text())
        file = _File.model_validate(values)
    except OSError as error:
        raise Malformed(str(path), f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(str(path), f"no TOML: {error}") from error
    except ValidationError as error:
        raise _refusal(path, error) from error
    routes: list[JsonValue] = [_route(item, ledgers, path) for item in file.destinations]
    return write_binding(
        {
            "callers": [*sorted(set(file.callers))],
            "cryptlet": file.cryptlet,
            "destinations": routes,
            "measurement": file.measurement,
            "methods": [*sorted(set(file.methods))],
            "name": file.name,
            "requesters": [*sorted({_account(item) for item in file.requesters})],
            "valid_seconds": file.valid_seconds,
        }
    )


def _refusal(path: Path, error: ValidationError) -> Malformed:
    """Names the first key that is wrong, and for an unknown one the nearest known."""
    first = error.errors()[0]
    reason = first["msg"]
    if first["type"] == "extra_forbidden":
        table = _File if len(first["loc"]) == 1 else _Destination
        reason = f"unknown key{nearest(str(first['loc'][-1]), sorted(table.model_fields))}"
    elif first["type"] == "string_pattern_mismatch":
        reason = "expected an address of 40 hexadecimal digits, or an account's word of 64"
    return Malformed(f"{path}: {'.'.join(map(str, first['loc']))}", reason)


def _route(item: _Destination, ledgers: Mapping[str, Destination], path: Path) -> JsonObject:
    if item.ledger not in ledgers:
        raise Malformed(f"{path}: destinations.ledger", f"no ledger {item.ledger!r}{nearest(item.ledger, [*ledgers])}")
    return {
        "codec": item.codec,
        "consume": item.consume,
        "id": ledgers[item.ledger].id.hex(),
        "recipient": _account(item.recipient),
    }


def _account(text: str) -> str:
    return text.removeprefix("0x").lower().rjust(2 * WORD_BYTES, "0")
