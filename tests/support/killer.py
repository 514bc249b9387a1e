"""Kills parts of a house by SIGKILL, at random but repeatable by a seed, and starts again what does not heal itself.

Only what is the house's own is killed: its process, what runs below it, and the chain that its folder names.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from adapters.ethereum.anvil import Anvil, Options
from adapters.ethereum.rpc import Rpc
from fabric.core.clock import SystemClock
from fabric.core.crashpoint import CrashPoint
from fabric.runtime.processes import Process
from tests.support.house import House

PAUSE_SECONDS: Final = (1.0, 4.0)
"""Between two kills."""
DOWN_SECONDS: Final = (0.0, 3.0)
"""How long a killed chain is away."""
AT_A_POINT: Final = 0.5
"""How often the fabric ends at a crash point rather than anywhere."""
WITH_CHAIN: Final = 0.2
"""How often it ends anywhere together with its chain, as when the power fails."""
AGAIN: Final = 0.3
"""How often the start that follows is killed too."""
AGAIN_SECONDS: Final = (0.5, 8.0)
"""After what time a fabric that is being started is killed once more."""
POINT_SECONDS: Final = 10.0
"""How long a fabric that shall end at a crash point may take to reach it; then it is killed where it is."""
FIND_SECONDS: Final = 60.0
"""A bound against hanging: how long a victim may not be there, while the fabric heals."""
_LOOK_SECONDS: Final = 0.1
_ZYGOTE: Final = "fabric.enclave.sandbox.zygote"
_CLOCK: Final = SystemClock()


@dataclass
class Killer:
    """What kills.

    Attributes:
        house: whose parts.
        rng: says what and when.
        kills: how often, by kind.
        log: seconds since the beginning, and what was killed.
        worst: how many blocks the chain lost at most by one kill.
    """

    house: House
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)
    begun: float = field(default_factory=_CLOCK.monotonic_seconds)
    worst: int = 0
    _points: list[CrashPoint] = field(default_factory=list)

    async def rounds(self, enough: Callable[[], bool]) -> None:
        """Kills each kind once in any order, again and again until each was killed and it is enough."""
        ways: dict[str, Callable[[], Awaitable[None]]] = {
            "gateway": self._gateway,
            "enclave": lambda: self._part("enclave", lambda: self.house.processes("fabric.enclave.main")[1:2]),
            "container": lambda: self._part("container", self._containers),
            "courier": lambda: self._part("courier", lambda: self.house.processes("ray::Courier")),
            "raylet": lambda: self._part("raylet", lambda: self.house.processes("ray/raylet/raylet")),
            "anvil": self._anvil,
        }
        left: list[str] = []
        while not (enough() and len(self.kills) == len(ways)):
            left = left or self.rng.sample(sorted(ways), len(ways))
            await asyncio.sleep(self.rng.uniform(*PAUSE_SECONDS))
            await ways[left.pop()]()
            assert self.house.is_running, f"the fabric ended by itself after {self.log}:\n{self.house.tail()}"

    def _note(self, kind: str, how: str = "") -> None:
        self.kills[kind] += 1
        self.log.append(f"{_CLOCK.monotonic_seconds() - self.begun:.1f} {kind} {how}".strip())

    async def _part(self, kind: str, find: Callable[[], list[Process]]) -> None:
        """Kills a process below the fabric, which heals by itself; waits for it while something else heals."""
        try:
            async with asyncio.timeout(FIND_SECONDS):
                while not any(process.kill() for process in find()[:1]):  # noqa: ASYNC110 - /proc rings no bell
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise AssertionError(f"no {kind} for {FIND_SECONDS} s after {self.log}:\n{self.house.tail()}") from None
        self._note(kind)

    def _containers(self) -> list[Process]:
        """Returns the containers in any order: forks of the zygote, which are below its own two processes."""
        found = self.house.processes(_ZYGOTE)[2:]
        return self.rng.sample(found, len(found))

    async def _gateway(self) -> None:
        """Kills the fabric where it is, or at one of the crash points in turn; the next start may be killed too."""
        how = self.rng.random()
        if how < AT_A_POINT:
            await self._at_a_point()
        else:
            with_chain = how < AT_A_POINT + WITH_CHAIN
            await asyncio.to_thread(self.house.kill, chain=with_chain)
            self._note("gateway")
            if with_chain:
                self._note("anvil", "with it")
        if self.rng.random() < AGAIN:
            self.house.spawn()
            await asyncio.sleep(self.rng.uniform(*AGAIN_SECONDS))
            await asyncio.to_thread(self.house.kill)
            self._note("gateway", "while it started")
        await asyncio.to_thread(self.house.start)

    async def _lost(self, before: int, chain: Anvil) -> None:
        """Notes how many blocks a kill cost; as many as make a block final would be too many."""
        lost = before - await _height(chain)
        self.log[-1] += f", {lost} blocks lost"
        self.worst = max(self.worst, lost)

    async def _at_a_point(self) -> None:
        if not self._points:
            self._points = self.rng.sample(sorted(CrashPoint), len(CrashPoint))
        point = self._points.pop()
        self.house.crash_file.write_text(point)
        with suppress(TimeoutError):
            async with asyncio.timeout(POINT_SECONDS):
                while self.house.is_running:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(_LOOK_SECONDS)
        self.house.crash_file.unlink()
        missed = self.house.is_running
        await asyncio.to_thread(self.house.kill if missed else self.house.wait_killed)
        self._note("gateway", f"{'not ' * missed}at {point}")

    async def _anvil(self) -> None:
        """Kills the chain, and starts it again on what it had saved."""
        chain = await Anvil.start(_folder(self.house))
        before = await _height(chain)
        await chain.kill()
        self._note("anvil")
        await asyncio.sleep(self.rng.uniform(*DOWN_SECONDS))
        await self._lost(before, await Anvil.start(chain.folder, Options(port=chain.port)))


async def _height(chain: Anvil) -> int:
    rpc = Rpc(chain.url)
    try:
        (number,) = await rpc.ask([("eth_blockNumber", [])])
        return int(str(number), 16)
    finally:
        await rpc.aclose()


async def end_chain(house: House) -> None:
    """Ends a house's chain, after it has saved its state."""
    await (await Anvil.start(_folder(house))).aclose()


def _folder(house: House) -> Path:
    return house.state / "ledgers/ethereum"
