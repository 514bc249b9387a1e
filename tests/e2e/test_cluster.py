"""A fabric on two nodes, as deploy/compose starts it: PostgreSQL, a ledger of its own, enclaves on both nodes.

One node is killed in the middle of a batch, and the database in the middle of another: nothing is lost or doubled.
"""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import psycopg
import pytest

from fabric.client import Answer, Call, Client
from fabric.gateway.endpoint import Endpoint, read_api_key
from fabric.wire.service import InvokeRequest
from registry.folder import FolderRegistry
from registry.publish import publish
from tests.support.compose import Composed
from tests.support.house import END_SECONDS
from tests.support.house_work import assert_settled_once, binding_of, each, keyed, settle_calls, wait_until
from tests.support.projects import COLD_CHAIN, PUBLISHER, SAMPLES, built

if TYPE_CHECKING:
    from fabric.core.ids import InvocationId, Measurement

pytestmark = [
    *(pytest.mark.ray, pytest.mark.ethereum, pytest.mark.postgres, pytest.mark.sandbox, pytest.mark.fault),
    *(pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)),
]
COMPOSE: Final = Path(__file__).resolve().parents[2] / "deploy/compose"
PORTS: Final = ((21000, 21191), (5432, 5432), (7070, 7070), (8545, 8545))
BINDING: Final = "shipments"
SHIPMENTS: Final = 256
A_MESSAGE: Final = 16
IN_SERVICE: Final = re.compile(r"enclave of a node in service .*node=(\w+)")
SAMPLE: Final = (SAMPLES / "good.csv").read_bytes()


class Cluster:
    """The composed services, seen as a fabric (``tests.support.house_work.Fabric``)."""

    def __init__(self, folder: Path) -> None:
        self.composed: Final = Composed(COMPOSE, folder, PORTS)
        self.measurements: dict[Path, Measurement] = {}
        self.accepted: set[InvocationId] = set()
        registry = FolderRegistry(self.composed.volume("gateway") / "registry")
        self.measurements[COLD_CHAIN], _ = publish(built(COLD_CHAIN).wheel, registry, PUBLISHER)

    @property
    def state(self) -> Path:
        return self.composed.volume("gateway") / "state"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.read(self.state)

    def client(self) -> Client:
        return Client(self.endpoint.target, read_api_key(self.state), deadline_seconds=END_SECONDS)

    def start(self) -> None:
        """Enrols the nodes, then starts everything."""
        for node in ("head", "worker"):
            folder = "--folder=/var/lib/cryptlet/node"
            self.composed.variables[f"{node.upper()}_ATTESTER"] = self.composed.run(
                node, "cryptlet", "node", "key", folder
            )
        self.composed.start("store", "ledger", "head")
        self.composed.start("worker", "gateway")

    async def wait_served(self, *nodes: str) -> None:
        """Waits until so many enclaves of these nodes came into service."""

        async def served() -> bool:
            return sorted(IN_SERVICE.findall(self.composed.log("gateway").read_text())) == sorted(nodes)

        await wait_until(served)

    async def wait_lost(self, node: str) -> None:
        """Waits until the gateway has found an enclave of a node lost, by a run that failed or by its heartbeat."""
        told = re.compile(rf"enclave of a node lost .*found_by=(run|heartbeat) node={node}")

        async def lost() -> bool:
            return bool(told.search(self.composed.log("gateway").read_text()))

        await wait_until(lost)

    def signal_enclaves(self, node: str, number: signal.Signals) -> None:
        """Stops or continues the processes of a node's enclave."""
        for item in self.composed.processes(node, "fabric.enclave.main"):
            os.kill(item.pid, number)

    def ray_answers(self, token: str) -> grpc.StatusCode:
        """Asks the head's Ray for its keys with a token; returns what it says."""
        with grpc.insecure_channel(self.composed.rewritten("10.77.0.2:21000")) as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                "/ray.rpc.InternalKVGcsService/InternalKVKeys"
            )
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", metadata=(("authorization", f"Bearer {token}"),), timeout=20)
        code: grpc.StatusCode = caught.value.code()
        return code

    def signers(self) -> dict[bytes, int]:
        """Returns how many batches each enclave's key set signed."""
        with psycopg.connect(self.url) as session:
            rows = session.execute("SELECT key_id, count(*) FROM batches GROUP BY key_id").fetchall()
        return {bytes(row[0]): row[1] for row in rows}

    @property
    def url(self) -> str:
        found = re.search(r'^store = "(.*)"$', (self.composed.folder / "gateway.fabric").read_text(), re.MULTILINE)
        assert found is not None
        return found[1]


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    # Not tmp_path: with the name of the test in it, a socket's path in the volumes is longer than 107 bytes.
    started = Cluster(tmp_path_factory.mktemp("c"))
    try:
        started.start()
        yield started
    finally:
        started.composed.close()


def shipments(name: str) -> list[Call]:
    return [Call("judge", SAMPLE, f"{name}-{number}") for number in range(SHIPMENTS)]


async def test_a_node_and_the_database_are_killed_and_nothing_is_lost(cluster: Cluster) -> None:
    await cluster.wait_served("head", "worker")
    assert cluster.ray_answers("none") == cluster.ray_answers("0" * 64) == grpc.StatusCode.UNAUTHENTICATED
    for node, first in (("head", 21000), ("worker", 21064), ("gateway", 21128)):
        ports = cluster.composed.listening(node) - {7070}
        assert ports
        assert ports <= set(range(first, first + 64))
    answers: dict[str, Answer] = {}
    async with cluster.client() as client:
        await client.put_binding(binding_of(cluster, BINDING, project=COLD_CHAIN, methods=("judge",)).document)
        calls = shipments("node")
        answers |= await stream(client, calls[:128])
        assert len(cluster.signers()) == 2  # enclaves of both nodes signed something
        # Both are held until each has work, for a second run goes to the idle one of two: what the killed one had begun
        # must run on the other.
        for node in ("head", "worker"):
            cluster.signal_enclaves(node, signal.SIGSTOP)
        streaming = asyncio.create_task(stream(client, calls[128:]))
        await asyncio.sleep(1)
        cluster.composed.kill("worker")
        cluster.signal_enclaves("head", signal.SIGCONT)
        answers |= await streaming
        assert all(answer.failure is None for answer in answers.values())
        await cluster.wait_lost("worker")
        assert await settle_calls(client, BINDING, calls) == answers

        calls = shipments("store")
        asking = asyncio.create_task(settle_calls(client, BINDING, calls))
        await asyncio.to_thread(cluster.composed.restart_store)
        answers |= await asking
        await assert_settled_once(cluster, answers.values())
        assert len(answers) == 2 * SHIPMENTS

        await asyncio.to_thread(cluster.composed.start, "worker")
        await cluster.wait_served("head", "worker", "worker")
    assert cluster.composed.told_secrets() == []


async def stream(client: Client, calls: list[Call]) -> dict[str, Answer]:
    """Streams calls in messages of sixteen; returns the answers by key."""
    found: dict[str, Answer] = {}
    parts = (InvokeRequest(BINDING, tuple(calls[at : at + A_MESSAGE])) for at in range(0, len(calls), A_MESSAGE))
    async for reply in client.stream(each(parts)):
        found |= keyed(calls[len(found) :], reply.answers)
    return found
