"""``cryptlet.lock``: which bundle each reference stands for, and where it is in which log (TOML)."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fabric.core.errors import ConfigError, FabricError, VerificationError
from fabric.core.ids import Measurement, parse_word
from fabric.trust.fields import read_integer, read_list, read_object, read_text
from registry.files import Shelf

FILE: Final = "cryptlet.lock"
_VERSION: Final = 1
_LAST: Final = 2**53 - 1
_NAMES: Final = frozenset(("capabilities", "measurement", "origin", "position", "ref"))
_HEAD: Final = "# Written by `cryptlet install`: commit it, and do not edit it.\nversion = 1\n"


@dataclass(frozen=True)
class Pin:
    """What a reference stands for.

    Attributes:
        ref: ``namespace/name@version``.
        origin: of the log.
        measurement: the bundle.
        position: of its release in the log.
        capabilities: what it asks for.
    """

    ref: str
    origin: str
    measurement: Measurement
    position: int
    capabilities: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``namespace/name``."""
        return self.ref.partition("@")[0]


class Lock:
    """A lock file.

    Attributes:
        path: where it is.
        pins: by reference.
    """

    def __init__(self, path: Path, pins: Mapping[str, Pin]) -> None:
        """Takes what the file says."""
        self.path: Final = path
        self.pins = dict(pins)

    def of_name(self, name: str) -> list[Pin]:
        """Returns the pins of all versions of ``namespace/name``."""
        return [pin for pin in self.pins.values() if pin.name == name]

    def check(self, found: Pin) -> None:
        """Refuses what is not pinned, or pinned otherwise; raises ``VerificationError``, step ``lock``."""
        pin = self.pins.get(found.ref)
        if pin is None:
            raise VerificationError(
                "lock", f"{found.ref} is not pinned in {self.path}: `cryptlet install {found.ref}` pins it"
            )
        for field in ("origin", "measurement", "position"):
            pinned, seen = getattr(pin, field), getattr(found, field)
            if pinned != seen:
                shown = [value.hex() if isinstance(value, bytes) else value for value in (pinned, seen)]
                raise VerificationError(
                    "lock",
                    f"{found.ref}: {self.path} pins {field} {shown[0]}, the registry shows {shown[1]}: somebody"
                    " gave the name to another bundle; do not use it, and tell the publisher",
                )

    def put(self, pin: Pin) -> None:
        """Pins a reference, and writes the file.

        Raises:
            VerificationError: step ``lock``: it is pinned otherwise.
            StoreError: the file cannot be written.
        """
        if pin.ref in self.pins:
            self.check(pin)
        self.pins[pin.ref] = pin
        text = _HEAD + "".join(_table(item) for _, item in sorted(self.pins.items()))
        Shelf(self.path.parent).put(self.path.name, text.encode())


def load_lock(path: Path) -> Lock:
    """Reads a lock file; an empty one where there is none.

    Raises:
        ConfigError: the file cannot be used; names the place.
    """
    data = Shelf(path.parent).read(path.name)
    if data is None:
        return Lock(path, {})
    try:
        value: Any = tomllib.loads(data.decode())
        fields = read_object(value, frozenset(("cryptlet", "version")) & set(value) | {"version"}, "lock")
        read_integer(fields["version"], "lock.version", _VERSION, _VERSION)
        pins = read_list(fields.get("cryptlet", []), _read_pin, "lock.cryptlet", 100_000)
    except (FabricError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}; take back the file that was committed, or install again") from error
    return Lock(path, {pin.ref: pin for pin in pins})


def _read_pin(value: Any) -> Pin:  # noqa: ANN401 - TOML
    fields = read_object(value, _NAMES, "lock.cryptlet")
    capabilities = read_list(fields["capabilities"], lambda item: read_text(item, "capabilities"), "capabilities", 256)
    return Pin(
        read_text(fields["ref"], "lock.ref"),
        read_text(fields["origin"], "lock.origin", 255),
        Measurement(parse_word(fields["measurement"], "lock.measurement")),
        read_integer(fields["position"], "lock.position", 0, _LAST),
        capabilities,
    )


def _table(pin: Pin) -> str:
    return (
        f"\n[[cryptlet]]\nref = {json.dumps(pin.ref)}\norigin = {json.dumps(pin.origin)}\n"
        f'measurement = "{pin.measurement.hex()}"\nposition = {pin.position}\n'
        f"capabilities = [{', '.join(json.dumps(item) for item in pin.capabilities)}]\n"
    )
