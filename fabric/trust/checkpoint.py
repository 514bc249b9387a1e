"""Checkpoint of a log.

C2SP tlog-checkpoint in a C2SP signed note with Ed25519 keys (docs/spec/checkpoint.md).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import Malformed
from fabric.core.ids import Digest, sha256
from fabric.trust.schemes import is_ed25519

_ED25519_TYPE: Final = b"\x01"
"""Signature type of signed-note for Ed25519."""
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME: Final = re.compile(r"[^\s+\ud800-\udfff]{1,255}")
"""Without lone surrogates, which a Python text may hold and UTF-8 may not."""
MAX_NOTE_BYTES: Final = 16_384


@dataclass(frozen=True)
class Checkpoint:
    """The three lines of a tlog-checkpoint without extension lines.

    Attributes:
        origin: name of the log, also the key name of its signature.
        size: number of entries.
        root: RFC 6962 tree hash.
    """

    origin: str
    size: int
    root: Digest

    @property
    def body(self) -> bytes:
        """The signed text, ending with a line feed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\n".encode()


def key_hash(name: str, key: bytes) -> bytes:
    """Returns the four-byte key id of signed-note: SHA-256(name || LF || type || key)[:4]."""
    return sha256(name.encode(), b"\n", _ED25519_TYPE, key)[:4]


def sign_note(checkpoint: Checkpoint, key: bytes, signature: bytes) -> str:
    """Returns the signed note from a signature over ``checkpoint.body`` by the log's Ed25519 key."""
    blob = base64.b64encode(key_hash(checkpoint.origin, key) + signature).decode()
    return f"{checkpoint.body.decode()}\n\u2014 {checkpoint.origin} {blob}\n"


def open_note(note: str, key: bytes) -> Checkpoint:
    """Returns the checkpoint of a note that the key of its origin signed.

    Unknown signatures (witnesses) are passed over, as signed-note requires.

    Raises:
        Malformed: not a signed note of a checkpoint, or no valid signature of that key.
    """
    checkpoint, lines = _parse(note)
    # All lines are read first, so that a note is not well formed up to the signature that is looked for.
    for name, blob in [_parse_signature(line) for line in lines]:
        if name == checkpoint.origin and blob[:4] == key_hash(name, key):
            if is_ed25519(key, blob[4:], checkpoint.body):
                return checkpoint
            raise Malformed("checkpoint", "the signature of the log's key does not hold")
    raise Malformed("checkpoint", "no signature of the log's key")


def read_note(note: str) -> Checkpoint:
    """Returns the checkpoint of a note, whoever signed it; raises ``Malformed``."""
    return _parse(note)[0]


def _parse(note: str) -> tuple[Checkpoint, list[str]]:
    text, separator, tail = note.partition("\n\n")
    if len(note) > MAX_NOTE_BYTES or not separator or not tail.endswith("\n"):
        raise Malformed("checkpoint", "not a signed note")
    lines = text.split("\n")
    if len(lines) != 3 or not _NAME.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]):  # noqa: PLR2004 - a line each
        raise Malformed("checkpoint", "expected three lines: origin, size, root")
    root = _base64(lines[2])
    if len(root) != 32:  # noqa: PLR2004 - SHA-256
        raise Malformed("checkpoint", "the root is not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), Digest(root)), tail[:-1].split("\n")


def _parse_signature(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, blob = rest.partition(" ")
    raw = _base64(blob)
    if dash != "\u2014" or not _NAME.fullmatch(name) or len(raw) < 5:  # noqa: PLR2004 - id and a signature
        raise Malformed("checkpoint", "ill-formed signature line")
    return name, raw


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("checkpoint", "not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise Malformed("checkpoint", "base64 in another than its canonical spelling")
    return raw
