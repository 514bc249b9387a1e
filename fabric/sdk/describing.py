"""Describing: kind and methods of an author's class as JSON, for a builder; in a container, or a process of its own."""

from dataclasses import dataclass

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.sdk.context import Context
from fabric.sdk.runner import load as load_class


@dataclass(frozen=True)
class Description:
    """Stands in the place of a cryptlet in a container, and answers every call with what the class is.

    Attributes:
        text: canonical JSON.
    """

    text: bytes

    def invoke(self, method: str, data: bytes, context: Context) -> bytes:
        """Returns the description."""
        del method, data, context
        return self.text


def describe(entry: str) -> JsonObject:
    """Imports a class; returns ``kind`` and ``methods``.

    Args:
        entry: ``module:Class``.

    Raises:
        AuthorError: as ``fabric.sdk.runner.load``, or a model holds what has no schema.
    """
    loaded = load_class(entry)
    return {"kind": loaded.kind, "methods": {name: method.schemas() for name, method in loaded.methods.items()}}


def load(entry: str) -> Description:
    """Returns the description of a class, as a loader of ``fabric.enclave.sandbox.inside``; raises as ``describe``."""
    return Description(canonical.encode(describe(entry)))
