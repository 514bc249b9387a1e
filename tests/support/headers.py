"""Bundles whose methods bear names that a generated stub could trip over."""

from dataclasses import replace
from typing import Any

from fabric.bundles.bundle import Bundle, read_bundle
from tests.support.registries import wheel


def with_methods(methods: dict[str, Any]) -> Bundle:
    """Returns a bundle of these methods."""
    bundle = read_bundle(wheel())
    return replace(bundle, manifest=replace(bundle.manifest, methods=methods))


def awkward_methods() -> dict[str, Any]:
    """Returns methods, all of them allowed, that are called like one another or like what a stub is made of."""
    names = ("measurement", "judge_1", "judge1", "judge__1", "json", "cast", "str", "list", "bytes", "call", "any")
    return {name: _method() for name in names}


def _method() -> dict[str, Any]:
    # In the style of Solidity several of them are one name, or a word of the language.
    members = ("a_b", "payload", "_1", "aB", "_payload", "x1", "_", "function", "return_")
    value = {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in members},
        "required": [*members],
    }
    return {"description": "@return @title what */ is /* not", "input": value, "output": value}
