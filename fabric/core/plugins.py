"""Entry points: how the platform reaches adapters, registry and commands without importing them.

A configured plug-in that cannot be loaded stops start-up with its name, distribution and cause.
"""

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from fabric.core.errors import PluginError

LEDGERS: Final = "cryptlet.ledgers"
DESTINATIONS: Final = "cryptlet.destinations"
BUNDLE_SOURCES: Final = "cryptlet.bundle_sources"
REFERENCES: Final = "cryptlet.references"
DEVNETS: Final = "cryptlet.devnets"
EXTERNALS: Final = "cryptlet.externals"
INTEGRATORS: Final = "cryptlet.integrators"
CORRESPONDENTS: Final = "cryptlet.correspondents"
CHECKS: Final = "cryptlet.checks"
TOOLS: Final = "cryptlet.tools"
ACCOUNTS: Final = "cryptlet.accounts"
COMMANDS: Final = "cryptlet.commands"


def names(group: str) -> list[str]:
    """Returns the sorted names of the installed plug-ins of a group; loads none of them."""
    return sorted({point.name for point in entry_points(group=group)})


def load(group: str, name: str) -> object:
    """Imports one plug-in and returns the object that its entry point names.

    Raises:
        PluginError: no plug-in of that name, or its import failed.
    """
    point = _find(group, name)
    try:
        loaded: object = point.load()
    except Exception as error:
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
        message = f"plug-in {name!r} of {group} ({point.value}, from {origin}) failed to load: {error!r}"
        raise PluginError(message) from error
    return loaded


def nearest(name: str, known: list[str]) -> str:
    """Returns `` - did you mean 'x'?`` or a list of what is known."""
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f" - did you mean {close[0]!r}?"
    return f" - known: {', '.join(known) or 'none'}"


def _find(group: str, name: str) -> EntryPoint:
    for point in entry_points(group=group):
        if point.name == name:
            return point
    message = f"no plug-in {name!r} in {group}{nearest(name, names(group))}"
    raise PluginError(message)
