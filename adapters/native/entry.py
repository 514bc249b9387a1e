"""Entry: what the log holds, one accepted call each, as canonical JSON."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from adapters.native.envelope import Envelope
from fabric.core import canonical
from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.trust.fields import read_choice, read_integer, read_object

FORMAT: Final = "cryptlet-fabric/native-entry/v1"
MAX_BYTES: Final = 131_072
_NAMES: Final = frozenset({"call", "format", "index", "sender", "time"})


@dataclass(frozen=True)
class Entry:
    """An accepted call and its place.

    Attributes:
        index: position in the log, from 0.
        time: the ledger's time, Unix seconds; never less than that of the entry before.
        envelope: the call and its sender.
    """

    index: int
    time: int
    envelope: Envelope

    @property
    def fields(self) -> JsonObject:
        """The entry as a JSON object."""
        return self.envelope.fields | {"format": FORMAT, "index": self.index, "time": self.time}

    @cached_property
    def encoded(self) -> bytes:
        """The canonical JSON, which is the leaf of the log's tree."""
        return canonical.encode(self.fields)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads canonical bytes; raises ``Malformed``."""
        return cls.parse(canonical.decode(data, max_bytes=MAX_BYTES))

    @classmethod
    def parse(cls, value: JsonValue) -> Self:
        """Reads the object of an entry; raises ``Malformed``."""
        fields = read_object(value, _NAMES, "entry")
        read_choice(fields["format"], (FORMAT,), "entry.format")
        return cls(
            read_integer(fields["index"], "entry.index", 0, MAX_INTEGER),
            read_integer(fields["time"], "entry.time", 0, MAX_INTEGER),
            Envelope.parse({name: fields[name] for name in ("call", "sender")}),
        )
