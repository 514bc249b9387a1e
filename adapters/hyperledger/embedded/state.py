"""World state: the newest value of each key with the version that wrote it; and what one block makes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Version(NamedTuple):
    """Which transaction wrote a value."""

    block: int
    transaction: int


class Value(NamedTuple):
    """A value and who wrote it."""

    data: bytes
    version: Version


class Key(NamedTuple):
    """A key of a chaincode's namespace."""

    namespace: str
    name: str


Updates = dict[Key, Value | None]
"""What transactions write; None deletes."""


@dataclass
class WorldState:
    """Everything that valid transactions have written."""

    values: dict[Key, Value] = field(default_factory=dict)

    def get(self, key: Key) -> Value | None:
        """Returns the newest value of a key."""
        return self.values.get(key)

    def between(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Value]]:
        """Returns the keys of a range in order; an empty end has none."""
        return in_range(self.values, namespace, start, end)

    def apply(self, updates: Updates) -> None:
        """Takes what a block wrote."""
        for key, value in updates.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value


def in_range(values: Mapping[Key, Value], namespace: str, start: str, end: str) -> Iterator[tuple[str, Value]]:
    """Returns the keys of a range of some values in order."""
    for key in sorted(key for key in values if key.namespace == namespace and _is_within(key.name, start, end)):
        yield key.name, values[key]


def _is_within(name: str, start: str, end: str) -> bool:
    return name >= start and (not end or name < end)
