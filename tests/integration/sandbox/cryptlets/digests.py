"""A cryptlet on a binary wheel of the package index."""

# ruff: noqa: ARG002

import xxhash  # type: ignore[import-not-found]
from pydantic import BaseModel

from fabric.sdk import Context, Cryptlet, method


class Text(BaseModel):
    text: str


class Digests(Cryptlet):
    @method
    def digest(self, ctx: Context, value: Text) -> Text:
        """Gives XXH64 of a text."""
        return Text(text=xxhash.xxh64(value.text.encode()).hexdigest())
