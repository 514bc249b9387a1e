"""Capabilities: what a cryptlet may be granted beyond a container of its own. Not granted is refused.

A manifest asks, a binding grants, an enclave holds one against the other before anything runs.
"""

from collections.abc import Iterable
from typing import Final

NATIVE: Final = "native"
"""Machine code: binary wheels may be locked, and their libraries are loaded in the container."""
KNOWN: Final = frozenset({NATIVE})


def lacking(asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """Returns what is asked for and not granted, in order."""
    return tuple(sorted(set(asked) - set(granted)))


def refusal(binding: str, title: str, names: Iterable[str]) -> str:
    """Returns why a binding cannot run a cryptlet that asks for more than it grants.

    Args:
        binding: name of the binding.
        title: ``name@version`` of the cryptlet.
        names: what is lacking.
    """
    spelled = ", ".join(f'"{name}"' for name in names)
    return f"binding {binding!r} does not grant what {title} asks for; where that is meant: capabilities = [{spelled}]"
