"""A binding as people write it: TOML with names of ledgers, turned into the canonical document.

name = "shipments"
cryptlet = "cold-chain@1.0.0"
measurement = "..."            # 64 hexadecimal digits, as `cryptlet publish` prints them
methods = ["judge"]
callers = ["local"]
valid_seconds = 604800
capabilities = ["native"]      # left out: nothing is granted beyond a container of its own

[[destinations]]
ledger = "ethereum"
recipient = "0x..."            # left out: anchored, never consumed
consume = true                 # left out: the recipient fetches it itself
codec = { kind = "abi", fields = [["accepted", "bool"]] }

A binding that carries messages between ledgers has in addition:

callers = ["relay"]
[[destinations]]
ledger = "native"
recipient = "mailbox"          # the ledger's own mailbox
consume = true
codec = { kind = "message" }
[[sources]]                    # ledgers whose events count
ledger = "ethereum"
accept_asserted = true         # left out: proven events alone
minimum_status = "final"       # left out: what the policy asks of this ledger
trust = { ... }                # left out: the policy's roots
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
from fabric.trust.kind import Status
from fabric.trust.policy import Policy

DEFAULT_VALID_SECONDS: Final = 7 * 86_400
MAILBOX: Final = "mailbox"
"""The recipient that stands for a ledger's own mailbox."""


_ACCOUNT: Final = r"^(0x)?([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$"
_Account = Annotated[str, Field(pattern=_ACCOUNT)]
"""An EVM address or a whole word; any other number of digits is a slip that would name somebody else."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Destination(_Table):
    ledger: str
    recipient: Annotated[str, Field(pattern=_ACCOUNT.replace("^", "^mailbox$|^"))] = NOBODY.hex()
    consume: bool = False
    codec: dict[str, Any] = {"kind": "json"}


class _Source(_Table):
    ledger: str
    accept_asserted: bool = False
    minimum_status: Status | None = None
    trust: dict[str, Any] | None = None


class _File(_Table):
    name: str
    cryptlet: str
    measurement: str
    methods: list[str]
    callers: list[str] = []
    requesters: list[_Account] = []
    valid_seconds: int = DEFAULT_VALID_SECONDS
    destinations: list[_Destination]
    sources: list[_Source] = []
    capabilities: list[str] = []


def read_binding_file(path: Path, ledgers: Mapping[str, Destination], policy: Policy | None = None) -> Binding:
    """Reads a binding file.

    Args:
        path: the TOML file.
        ledgers: the fabric's ledgers by name.
        policy: gives the roots of trust, and the least status, of sources that name none.

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
    granted: JsonObject = {"capabilities": [*sorted(set(file.capabilities))]} if file.capabilities else {}
    return write_binding(
        granted
        | {
            "callers": [*sorted(set(file.callers))],
            "cryptlet": file.cryptlet,
            "destinations": routes,
            "measurement": file.measurement,
            "methods": [*sorted(set(file.methods))],
            "name": file.name,
            "requesters": [*sorted({_account(item) for item in file.requesters})],
            "sources": [_source(item, ledgers, policy, path) for item in file.sources],
            "valid_seconds": file.valid_seconds,
        }
    )


_TABLES: Final[Mapping[str, type[_Table]]] = {"destinations": _Destination, "sources": _Source}


def _refusal(path: Path, error: ValidationError) -> Malformed:
    """Names the first key that is wrong, and for an unknown one the nearest known."""
    first = error.errors()[0]
    reason = first["msg"]
    if first["type"] == "extra_forbidden":
        table = _TABLES.get(str(first["loc"][0]), _File) if len(first["loc"]) > 1 else _File
        reason = f"unknown key{nearest(str(first['loc'][-1]), sorted(table.model_fields))}"
    elif first["type"] == "string_pattern_mismatch":
        reason = 'expected an address of 40 hexadecimal digits, an account\'s word of 64, or a recipient "mailbox"'
    return Malformed(f"{path}: {'.'.join(map(str, first['loc']))}", reason)


def _route(item: _Destination, ledgers: Mapping[str, Destination], path: Path) -> JsonObject:
    destination = _ledger(item.ledger, ledgers, f"{path}: destinations.ledger")
    recipient = destination.settlement.hex() if item.recipient == MAILBOX else _account(item.recipient)
    return {"codec": item.codec, "consume": item.consume, "id": destination.id.hex(), "recipient": recipient}


def _source(item: _Source, ledgers: Mapping[str, Destination], policy: Policy | None, path: Path) -> JsonObject:
    destination = _ledger(item.ledger, ledgers, f"{path}: sources.ledger")
    known = policy.destinations.get(destination.id) if policy else None
    trust, status = item.trust, item.minimum_status
    if known:
        trust, status = known.trust if trust is None else trust, status or known.minimum_status
    if trust is None or status is None:
        reason = f"no policy says what events of {item.ledger!r} are checked under; give trust and minimum_status"
        raise Malformed(f"{path}: sources", reason)
    return {
        "accept_asserted": item.accept_asserted,
        "destination": destination.to_json(),
        "minimum_status": str(status),
        "trust": trust,
    }


def _ledger(name: str, ledgers: Mapping[str, Destination], place: str) -> Destination:
    if name not in ledgers:
        raise Malformed(place, f"no ledger {name!r}{nearest(name, [*ledgers])}")
    return ledgers[name]


def _account(text: str) -> str:
    return text.removeprefix("0x").lower().rjust(2 * WORD_BYTES, "0")
