"""The examination: every check in its order, from what all others need to what only a running fabric shows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import fabric
from fabric.cli.doctor import folders, house, machine, ports, walls
from fabric.core import plugins
from fabric.core.clock import Clock
from fabric.core.errors import FabricError
from fabric.core.finding import Finding, fail, ok
from fabric.gateway.config import Config, Ledger
from fabric.gateway.endpoint import Endpoint

Check = Callable[[], list[Finding] | Awaitable[list[Finding]]]
CheckLedger = Callable[[dict[str, str | int | bool]], list[Finding]]


@dataclass(frozen=True)
class Case:
    """What is examined.

    Attributes:
        config: the configuration.
        complaint: why the configuration could not be read, in which case ``config`` is the default one.
        clock: the time.
        quick: leaves out what starts processes: the sandbox's self-test and Ray.
    """

    config: Config
    complaint: str
    clock: Clock
    quick: bool

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.config.state


async def examine(case: Case) -> AsyncIterator[Finding]:
    """Yields the findings as they are made. A check that breaks is a finding too."""
    for name, check in _checks(case):
        try:
            made = check()
            found = await made if asyncio.iscoroutine(made) else cast("list[Finding]", made)
        except Exception as error:  # noqa: BLE001 - the other rows are worth having
            fix = "report this with its text: a doctor must not fall ill"
            found = [fail(name, f"the check itself broke: {type(error).__name__}: {error}", fix)]
        for finding in found:
            yield finding


def _checks(case: Case) -> Iterator[tuple[str, Check]]:
    state = case.state
    own = (Path(fabric.__file__), state / "epoch", state / "fabric.db")
    yield "python", machine.python
    yield "packages", machine.packages
    yield "configuration", lambda: _configuration(case)
    yield "disk", lambda: machine.disk(state)
    yield "clock", lambda: machine.clock(case.clock.unix_seconds(), own)
    yield "namespaces", walls.namespaces
    yield "landlock", walls.landlock_and_seccomp
    if not case.quick:
        yield "sandbox", lambda: walls.sandbox(case.clock)
        yield "ray", walls.ray
    yield "ray cluster", walls.cluster
    yield "port", lambda: ports.door(case.config.gateway.listen, _endpoint(state))
    yield "state", lambda: folders.state(state)
    yield "keys", lambda: folders.keys(state)
    yield "database", lambda: _database(case)
    if not case.config.registries:
        yield "registry", lambda: folders.registry(case.config.registry)
    for name, ledger in case.config.ledgers.items():
        yield f"ledger {name}", partial(_ledger, name, ledger)
    yield "fabric", lambda: house.fabric_and_ledgers(state)


def _configuration(case: Case) -> list[Finding]:
    if case.complaint:
        return [fail("configuration", case.complaint, "correct that place; what follows takes the defaults")]
    return [ok("configuration", f"state {case.state}, ledgers {', '.join(case.config.ledgers)}")]


def _database(case: Case) -> list[Finding]:
    store = case.config.store
    return folders.database(case.state / "fabric.db") if store is None else folders.server(store.get_secret_value())


def _ledger(name: str, ledger: Ledger) -> list[Finding]:
    """Looks at what the adapter of a configured ledger needs of this machine, by the adapter's own check."""
    kinds = plugins.names(plugins.LEDGERS)
    if ledger.kind not in kinds:
        fix = f"correct ledgers.{name}.kind in cryptlet-fabric.toml, or install the adapter"
        return [fail(f"ledger {name}", f"no adapter of kind {ledger.kind!r}{plugins.nearest(ledger.kind, kinds)}", fix)]
    if ledger.kind not in plugins.names(plugins.TOOLS):
        return []
    check = cast("CheckLedger", plugins.load(plugins.TOOLS, ledger.kind))
    return check(ledger.options)


def _endpoint(state: Path) -> Endpoint | None:
    try:
        return Endpoint.read(state)
    except FabricError:
        return None
