"""Vouching: where the bundles come from, and the watch over what their registries say of them."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import cast

from fabric.bundles.source import BundleSource, StandingSource
from fabric.core import plugins
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock
from fabric.core.ids import Measurement
from fabric.gateway.config import Config
from fabric.gateway.effects import PolicyFile
from fabric.gateway.loops import keep
from fabric.gateway.revoking import Revoker
from fabric.invoke.catalogue import Catalogue
from fabric.invoke.watch import StandingWatch
from fabric.store.store import Store
from fabric.trust.standing import Standing

Unload = Callable[[Measurement], Awaitable[None]]
OpenSource = Callable[[JsonObject], BundleSource]


class Ending:
    """What follows when a bundle is revoked.

    Attributes:
        unload: ends what runs of a bundle; None before there are enclaves, when nothing runs.
    """

    def __init__(self, revoker: Revoker) -> None:
        """Takes who tells the ledgers."""
        self._revoker = revoker
        self.unload: Unload | None = None

    async def __call__(self, item: Standing) -> None:
        """Ends what runs of the bundle here, then has every ledger let its later results count no more."""
        if self.unload is not None:
            await self.unload(item.measurement)
        await self._revoker.revoke(item.measurement, item.since, item.reason)


def open_catalogue(config: Config, store: Store, clock: Clock, ending: Ending, policy: PolicyFile) -> Catalogue:
    """Opens the bundles' source: served registries where some are named, else the local folder.

    The written policy demands the standing of whatever registry is met.

    Raises:
        ConfigError: it cannot be used.
    """
    source = _open_source(config)
    if not isinstance(source, StandingSource):
        return Catalogue(source)
    return Catalogue(source, StandingWatch(source, store.standings, clock, ending, policy.meet))


async def start_watch(catalogue: Catalogue, config: Config, store: Store, stack: AsyncExitStack) -> None:
    """Begins to watch every bundle that is bound, from what was kept, until the stack is closed."""
    watch = catalogue.watch
    if not isinstance(watch, StandingWatch):
        return
    await watch.begin(await store.bindings.measurements())
    stack.callback(keep("standings", watch.run(config.registry_poll_seconds)).cancel)


def _open_source(config: Config) -> BundleSource:
    if not config.registries:
        opener = cast("OpenSource", plugins.load(plugins.BUNDLE_SOURCES, "folder"))
        return opener({"path": str(config.registry)})
    opener = cast("OpenSource", plugins.load(plugins.BUNDLE_SOURCES, "served"))
    named: JsonObject = {name: {"url": each.url, "root": str(each.root)} for name, each in config.registries.items()}
    return opener({"registries": named, "state": str(config.state / "registries")})
