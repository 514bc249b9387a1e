"""The pure parts of adapters, found by entry point and made once."""

from functools import cache
from typing import cast

from fabric.core import plugins
from fabric.trust.kind import DestinationKind


@cache
def load_kind(kind: str) -> DestinationKind:
    """Returns the pure part of an adapter by its ledger kind; raises ``PluginError`` where there is none."""
    plugin = plugins.load(plugins.DESTINATIONS, kind)
    return cast("DestinationKind", plugin() if isinstance(plugin, type) else plugin)
