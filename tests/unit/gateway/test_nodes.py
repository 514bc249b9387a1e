"""Enclaves of other machines: found, registered, served, lost and found again, whatever couriers say of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import capture_logs

from fabric.core.clock import FrozenClock
from fabric.core.errors import AttestationFailed, NoCapacity
from fabric.core.ids import Digest, Measurement
from fabric.core.model import Failure
from fabric.gateway import nodes as nodes_module
from fabric.gateway.nodes import NodeEnclaves, Place
from fabric.gateway.registrar import GetEvidence, Registrar
from fabric.runtime.failures import CourierLost
from fabric.runtime.pool import Pool, PoolConfig
from fabric.runtime.profile import Profile
from fabric.trust.attestation import Assurance, AttestationResult, KeySet
from fabric.wire.codec import (
    Describe,
    Description,
    EnclaveReply,
    Evidence,
    Load,
    MakeEvidence,
    decode_request,
    encode_reply,
)
from tests.support.seeded_keys import SeededKeys

if TYPE_CHECKING:
    from fabric.runtime.cluster import Cluster

NONE = Digest(bytes(32))


@dataclass
class FakeCluster:
    """Reaches whatever enclave stands at a place now; a courier may lie."""

    standing: dict[str, SeededKeys] = field(default_factory=dict)
    hired: dict[int, str] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    lie: Callable[[EnclaveReply], EnclaveReply] = lambda reply: reply
    visits: int = 0

    async def hire(self, name: str, path: Path, profile: Profile) -> int:
        self.visits += 1
        self.profiles.append(profile)
        if name not in self.standing:
            raise NoCapacity(f"no machine for {name} at {path}")
        self.hired[self.visits] = name
        return self.visits

    async def dismiss(self, courier: int) -> None:
        self.hired.pop(courier)

    async def exchange(self, courier: int, frame: bytes, seconds: float) -> bytes:  # noqa: ARG002 - as the port has it
        name = self.hired.get(courier)
        if name not in self.standing:
            raise CourierLost("gone")
        keys = self.standing[name].public
        match decode_request(frame):
            case Describe():
                return encode_reply(self.lie(Description(keys, Measurement(bytes(32)), "none", 1, 1)))
            case MakeEvidence(nonce):
                return encode_reply(self.lie(Evidence(nonce + keys.ed25519)))
            case other:
                raise AssertionError(other)


@dataclass
class FakeRegistrar:
    """Believes evidence that ends in a key it enrolled."""

    enrolled: set[KeySet] = field(default_factory=set)
    registered: list[KeySet] = field(default_factory=list)

    async def recognise(self, get_evidence: GetEvidence, seconds: float) -> AttestationResult:
        del seconds
        nonce = bytes([7]) * 32
        document = await get_evidence(nonce)
        for keys in self.enrolled:
            if document == nonce + keys.ed25519:
                self.registered.append(keys)
                return AttestationResult(keys, Measurement(bytes(32)), "walls", Assurance.SOFTWARE, 3, 0, 1, NONE, NONE)
        raise AttestationFailed("policy line attesters: expected a pinned key")


@dataclass
class Home:
    cluster: FakeCluster
    registrar: FakeRegistrar
    pool: Pool
    nodes: NodeEnclaves
    added: list[str] = field(default_factory=list)


@pytest.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr(nodes_module, "SEEK_SECONDS", 0.01)
    monkeypatch.setattr(nodes_module, "HEARTBEAT_SECONDS", 0.01)
    cluster, registrar = FakeCluster(), FakeRegistrar()

    async def bundles(_: bytes) -> Load:
        raise AssertionError

    nodes = NodeEnclaves(
        [Place("worker", 1), Place("worker", 2)],
        Profile(cpus=0),
        cast("Registrar", registrar),
        lambda: cast("Cluster", cluster),
        3600,
    )
    pool = Pool(PoolConfig(Profile(cpus=0), {}), cluster, bundles, nodes.lose, FrozenClock())
    made = Home(cluster, registrar, pool, nodes)
    pool.listen(lambda: made.added.append("one"))
    nodes.start(pool)
    yield made
    await nodes.aclose()


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.005)


def stand(home: Home, number: int, name: str) -> SeededKeys:
    keys = home.cluster.standing[f"worker-{number}"] = SeededKeys(name)
    home.registrar.enrolled.add(keys.public)
    return keys


async def test_an_enclave_is_looked_for_until_it_is_there(home: Home) -> None:
    await until(lambda: home.cluster.visits > 4)
    assert not home.pool.enclaves
    keys = stand(home, 2, "two")
    await home.nodes.wait_served()
    (handle,) = home.pool.enclaves
    assert (handle.node, handle.is_remote, handle.socket) == ("worker", True, Path("2/sock"))
    # Who it is comes from the appraiser: not a word of its own description.
    assert handle.description == Description(keys.public, Measurement(bytes(32)), "walls", 3, 0)
    assert {profile.labels["cryptlet-node"] for profile in home.cluster.profiles} == {"worker"}
    assert home.added == ["one"]


async def test_one_that_the_appraiser_does_not_take_is_not_served_and_its_courier_is_dismissed(home: Home) -> None:
    home.cluster.standing["worker-1"] = SeededKeys("stranger")
    await until(lambda: home.cluster.visits > 6)
    assert home.pool.enclaves == ()
    assert len(home.cluster.hired) <= 1  # the one that is being asked


@pytest.mark.parametrize(
    "reply",
    [Failure("signing", "no"), Description(SeededKeys("x").public, Measurement(bytes(32)), "none", 1, 1)],
    ids=["failure", "something else"],
)
async def test_a_courier_that_lies_costs_the_place_and_nothing_else(home: Home, reply: EnclaveReply) -> None:
    stand(home, 1, "one")
    home.cluster.lie = lambda _: reply
    await until(lambda: home.cluster.visits > 6)
    assert home.pool.enclaves == ()
    home.cluster.lie = lambda honest: honest
    await home.nodes.wait_served()


async def test_an_idle_one_that_is_gone_is_missed_and_found_again(home: Home) -> None:
    stand(home, 1, "one")
    await home.nodes.wait_served()
    (first,) = home.pool.enclaves
    del home.cluster.standing["worker-1"]
    await until(lambda: home.pool.enclaves == ())
    stand(home, 1, "one")
    await until(lambda: len(home.pool.enclaves) == 1)
    assert home.pool.enclaves[0].name != first.name
    assert len(home.cluster.hired) == 1


async def test_another_enclave_in_its_place_is_registered_as_what_it_is(home: Home) -> None:
    stand(home, 1, "one")
    await home.nodes.wait_served()
    other = stand(home, 1, "other")
    await until(lambda: [item.description.keys for item in home.pool.enclaves] == [other.public])
    assert home.registrar.registered[-1] == other.public


async def test_one_that_a_run_found_lost_is_looked_for_again(home: Home) -> None:
    stand(home, 1, "one")
    await home.nodes.wait_served()
    home.nodes.lose(home.pool.enclaves[0])
    await until(lambda: len(home.added) == 2)
    assert len(home.pool.enclaves) == 1
    home.nodes.lose(replace(home.pool.enclaves[0], name="never"))  # nobody's: no error


async def test_a_search_that_breaks_is_told_of(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> int:
        raise RuntimeError("nobody expected this")

    with capture_logs() as told:
        monkeypatch.setattr(home.cluster, "hire", broken)
        await until(lambda: len(told) > 1)
    assert {(line["event"], line["error"]) for line in told if line["log_level"] == "error"} == {
        ("loop broke", "RuntimeError('nobody expected this')")
    }
