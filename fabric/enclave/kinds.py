"""The pure parts of adapters, as the enclave loads them: by the kind of a destination, once."""

from functools import cache
from typing import cast

from fabric.core import plugins
from fabric.trust.kind import DestinationKind


@cache
def kind_of(name: str) -> DestinationKind:
    """Returns the pure part of a ledger kind; raises ``PluginError`` when none is installed."""
    plugin = plugins.load(plugins.DESTINATIONS, name)
    return cast("DestinationKind", plugin() if isinstance(plugin, type) else plugin)
