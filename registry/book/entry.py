"""Entry: one signed statement about a namespace, and the leaf that the log makes of it (docs/spec/registry.md, 1).

The statement names the log and the namespace's next number, so that it counts once, in one place, in the order in which
its signers saw the others.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import Digest, sha256
from fabric.trust.fields import read_choice, read_integer, read_list, read_object, read_text
from fabric.trust.schemes import ED25519, Signature, is_ed25519, parse_signature
from registry.book.bodies import Body, kind_of, read_body
from registry.names import parse_name

FORMAT: Final = "cryptlet-fabric/registry-entry/v1"
ROOT: Final = "registry"
"""The registry's own namespace: its owners are the authorities, its claim is the log's first entry."""
MAX_ENTRY_BYTES: Final = 49_152
"""Below the 65,535 bytes that C2SP tlog-tiles gives an entry, with the leaf's own names around it."""
MAX_SIGNATURES: Final = 32
_NAMES: Final = frozenset(("body", "format", "kind", "namespace", "registry", "sequence"))
_LAST: Final = 2**53 - 1


@dataclass(frozen=True)
class Entry:
    """A statement and its signatures.

    Attributes:
        registry: origin of the log.
        namespace: what it is about.
        sequence: how many entries the namespace had before.
        body: what it states.
        signatures: Ed25519, in ascending order of their keys.
    """

    registry: str
    namespace: str
    sequence: int
    body: Body
    signatures: tuple[Signature, ...] = ()

    @property
    def kind(self) -> str:
        """Name of the body's kind."""
        return kind_of(self.body)

    @cached_property
    def statement(self) -> bytes:
        """The signed bytes: canonical JSON."""
        return canonical.encode(self._fields)

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the statement: the same entry with more signatures keeps it."""
        return sha256(self.statement)

    @property
    def _fields(self) -> JsonObject:
        return {
            "body": self.body.to_json(),
            "format": FORMAT,
            "kind": self.kind,
            "namespace": self.namespace,
            "registry": self.registry,
            "sequence": self.sequence,
        }

    def signers(self) -> frozenset[bytes]:
        """Returns the keys that signed; raises ``Malformed`` if one of the signatures does not hold."""
        for item in self.signatures:
            if not is_ed25519(item.key, item.value, self.statement):
                raise Malformed("entry.signatures", f"the signature of key {item.key.hex()} does not hold")
        return frozenset(item.key for item in self.signatures)

    def signed_by(self, key: bytes, sign: Callable[[bytes], bytes]) -> "Entry":
        """Returns the entry with one signature more, or the key's former one replaced."""
        return self.with_signatures((Signature(ED25519, key, sign(self.statement)),))

    def with_signatures(self, more: Iterable[Signature]) -> "Entry":
        """Returns the entry with further signatures."""
        by_key = {item.key: item for item in (*self.signatures, *more)}
        return replace(self, signatures=tuple(by_key[key] for key in sorted(by_key)))

    def to_json(self) -> JsonObject:
        """Returns statement and signatures as a JSON object."""
        return {"signatures": [item.to_json() for item in self.signatures], "statement": self._fields}


@dataclass(frozen=True)
class Leaf:
    """What the log holds: an entry, and when the registry took it in, Unix seconds."""

    entry: Entry
    logged: int

    @cached_property
    def encoded(self) -> bytes:
        """Canonical JSON."""
        return canonical.encode({"entry": self.entry.to_json(), "logged": self.logged})


def parse_entry(value: JsonValue) -> Entry:
    """Reads what ``Entry.to_json`` writes; raises ``Malformed``. Does not check the signatures."""
    whole = read_object(value, frozenset(("signatures", "statement")), "entry")
    fields = read_object(whole["statement"], _NAMES, "entry.statement")
    read_choice(fields["format"], (FORMAT,), "entry.format")
    signatures = read_list(whole["signatures"], parse_signature, "entry.signatures", MAX_SIGNATURES)
    keys = [item.key for item in signatures if item.scheme == ED25519]
    if len(keys) != len(signatures) or keys != sorted(set(keys)):
        raise Malformed("entry.signatures", "expected Ed25519 signatures in ascending order of their keys")
    return Entry(
        read_text(fields["registry"], "entry.registry", 255),
        parse_name(read_text(fields["namespace"], "entry.namespace", 64), "namespace"),
        read_integer(fields["sequence"], "entry.sequence", 0, _LAST),
        read_body(read_text(fields["kind"], "entry.kind"), fields["body"]),
        signatures,
    )


def decode_entry(data: bytes) -> Entry:
    """Reads the canonical JSON of an entry; raises ``Malformed``."""
    return parse_entry(canonical.decode_object(data, max_bytes=MAX_ENTRY_BYTES))


def decode_leaf(data: bytes) -> Leaf:
    """Reads a leaf of the log; raises ``Malformed``."""
    value = canonical.decode_object(data, max_bytes=MAX_ENTRY_BYTES + 1024)
    fields = read_object(value, frozenset(("entry", "logged")), "leaf")
    return Leaf(parse_entry(fields["entry"]), read_integer(fields["logged"], "leaf.logged", 0, _LAST))
