"""The cryptlet: two parties who spell one JSON document differently get one digest."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fabric.sdk import Context, Cryptlet, InvalidInput, method


class Document(BaseModel):
    """A JSON document.

    Attributes:
        document: any JSON value without fractions, whose spelling would be a matter of taste.
    """

    model_config = ConfigDict(frozen=True)

    document: JsonValue


class Digest(BaseModel):
    """A digest.

    Attributes:
        sha256: 64 hexadecimal digits.
        size: number of bytes that were hashed.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int


class Fingerprint(Cryptlet):
    """Gives documents and files a name that follows from their content."""

    @method
    def document(self, ctx: Context, value: Document) -> Digest:  # noqa: ARG002 - no time and no chance in it
        """Returns the digest of a JSON document: names sorted by code point, no spaces, UTF-8."""
        if _has_fraction(value.document):
            raise InvalidInput("document: write fractions as texts, so that all readers see the same digits")
        text = json.dumps(value.document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return _digest(text.encode())

    @method
    def file(self, ctx: Context, data: bytes) -> Digest:  # noqa: ARG002 - no time and no chance in it
        """Returns the digest of a file's bytes."""
        return _digest(data)


def _digest(data: bytes) -> Digest:
    return Digest(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def _has_fraction(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(map(_has_fraction, value.values()))
    if isinstance(value, list):
        return any(map(_has_fraction, value))
    return isinstance(value, float)
