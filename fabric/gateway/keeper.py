"""The keeper of the local Ray: starts it beside everything else, and starts another when it ends by itself."""

import asyncio
from typing import Final

import structlog

from fabric.core.errors import FabricError
from fabric.gateway.loops import keep
from fabric.runtime.cluster import Cluster, ClusterConfig
from fabric.runtime.failures import CourierLost
from fabric.runtime.pool import Pool

_LOG: Final = structlog.get_logger(__name__)
RESTART_SECONDS: Final = 2.0


class RayKeeper:
    """Holds the cluster that is running. Call from the main thread: Ray's jail ends with its starter's thread."""

    def __init__(self, config: ClusterConfig) -> None:
        """Begins to start Ray, which takes seconds; ``ready`` waits for it. Needs a running loop."""
        self._config = config
        self._starting = asyncio.create_task(Cluster.start(config))
        self._watching: asyncio.Task[None] | None = None

    async def ready(self) -> Cluster:
        """Returns the cluster.

        Raises:
            SandboxUnavailable: the jail cannot be built.
            PlatformError: Ray did not come up.
        """
        cluster = await asyncio.shield(self._starting)
        if not cluster.jailed:
            _LOG.warning("Ray runs without a jail: code in Ray can read the fabric's keys")
        return cluster

    @property
    def cluster(self) -> Cluster:
        """The cluster that runs now; raises ``CourierLost`` while none does."""
        started = self._starting
        if not started.done() or started.cancelled() or started.exception() or not started.result().running:
            raise CourierLost("Ray is not running")
        return started.result()

    def watch(self, pool: Pool) -> None:
        """Moves the pool to a new cluster whenever the old one ends."""
        self._watching = keep("keeper of Ray", self._watch(pool))

    async def aclose(self) -> None:
        """Ends Ray; idempotent."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        # Ray that is half started cannot be ended cleanly; once it stands it can.
        await asyncio.wait({self._starting})
        if not self._starting.cancelled() and self._starting.exception() is None:
            await self._starting.result().stop()

    async def _watch(self, pool: Pool) -> None:
        while True:
            cluster = await asyncio.shield(self._starting)
            await cluster.wait_ended()
            _LOG.warning("Ray ended, starting another")
            await cluster.stop()
            await self._restart(pool)

    async def _restart(self, pool: Pool) -> None:
        while True:
            self._starting = asyncio.create_task(Cluster.start(self._config))
            try:
                await pool.move(await asyncio.shield(self._starting))
            except FabricError as error:
                _LOG.exception("Ray not restarted, trying again", error=str(error))
                await asyncio.sleep(RESTART_SECONDS)
            else:
                return
