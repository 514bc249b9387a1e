"""A channel as people write it: TOML with names of ledgers, turned into its ten words.

salt = "..."                   # 64 hexadecimal digits; left out: zeros

[[ends]]
ledger = "native"              # a ledger of this fabric; or destination = "..." with another one's id
account = "..."                # who sends and receives there: an address of 40 digits, or an account's word of 64
binding = "..."                # version of the binding under which records for this end are made
accepts = "proven"             # or "asserted", where the other ledger cannot prove its events

[[ends]]
...
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES, Account, BindingVersion, DestinationId
from fabric.core.plugins import nearest
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, End, Shown

_Word = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Account = Annotated[str, Field(pattern=r"^(0x)?([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$")]
Ledgers = Callable[[], Mapping[str, Destination]]
"""Gives the fabric's ledgers by name; asked only where an end names one."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _End(_Table):
    ledger: str | None = None
    destination: _Word | None = None
    account: _Account
    binding: _Word
    accepts: Literal["proven", "asserted"]

    @model_validator(mode="after")
    def _names_one_place(self) -> Self:
        if (self.ledger is None) == (self.destination is None):
            raise ValueError("expected either ledger or destination")
        return self


class _File(_Table):
    salt: _Word = "00" * WORD_BYTES
    ends: Annotated[list[_End], Field(min_length=2, max_length=2)]


_TYPES: Final[Mapping[str, str]] = {
    "string_pattern_mismatch": "expected 64 lower-case hexadecimal digits, or an address of 40 for an account",
    "too_short": "expected two ends",
    "too_long": "expected two ends",
}


def read_channel_file(path: Path, ledgers: Ledgers) -> Channel:
    """Reads a channel file.

    Raises:
        Malformed: names the file and the key; for an unknown ledger, the nearest known one.
        NotFound: an end names a ledger and no fabric runs that knows it.
    """
    try:
        file = _File.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise Malformed(str(path), f"cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(str(path), f"no TOML: {error}") from error
    except ValidationError as error:
        raise _refusal(path, error) from error
    one, other = (_end(item, ledgers, path) for item in file.ends)
    return Channel.between(one, other, bytes.fromhex(file.salt))


def _end(item: _End, ledgers: Ledgers, path: Path) -> End:
    if item.ledger is None:
        place = DestinationId(bytes.fromhex(item.destination or ""))
    else:
        known = ledgers()
        if item.ledger not in known:
            raise Malformed(f"{path}: ends.ledger", f"no ledger {item.ledger!r}{nearest(item.ledger, [*known])}")
        place = known[item.ledger].id
    account = Account(bytes.fromhex(item.account.removeprefix("0x")).rjust(WORD_BYTES, b"\0"))
    return End(place, account, BindingVersion(bytes.fromhex(item.binding)), Shown[item.accepts.upper()])


def _refusal(path: Path, error: ValidationError) -> Malformed:
    first = error.errors()[0]
    reason = _TYPES.get(first["type"], first["msg"].removeprefix("Value error, "))
    if first["type"] == "extra_forbidden":
        table = _File if len(first["loc"]) == 1 else _End
        reason = f"unknown key{nearest(str(first['loc'][-1]), sorted(table.model_fields))}"
    return Malformed(f"{path}: {'.'.join(map(str, first['loc']))}", reason)
