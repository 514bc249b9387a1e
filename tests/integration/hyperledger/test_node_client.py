"""The official Node client, row by row, on the embedded ledger; on a real network too where one is configured.

``HYPERLEDGER_NODE`` names a file that ``tests.support.hl_node`` wrote for it.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest

from adapters.hyperledger.embedded.network import open_network
from fabric.core.canonical import JsonObject
from fabric.core.clock import SystemClock
from tests.support.hl_kv_network import CHAINCODE, CHANNEL, KvNetwork, kv_network
from tests.support.hl_node import SCRIPT, Row, make_users, run_node

pytestmark = pytest.mark.hyperledger
REAL = os.environ.get("HYPERLEDGER_NODE")
NETWORKS = ["embedded", "embedded with client certificates", *(["real"] if REAL else [])]
ROWS = [
    line.partition("'")[2].partition("'")[0] for line in SCRIPT.read_text().splitlines() if line.startswith("row('")
]
Seen = dict[str, Row]


@pytest.fixture(scope="module", params=NETWORKS)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    place = tmp_path_factory.mktemp("node")
    if request.param == "real":
        assert REAL is not None
        rows = run_node(place / "node.json", json.loads(Path(REAL).read_text()))
    else:
        rows = asyncio.run(_on_embedded(place, asks_clients=request.param != "embedded"))
    return {row.name: row for row in rows}


async def _on_embedded(place: Path, *, asks_clients: bool) -> list[Row]:
    async with kv_network(place, client_authentication=asks_clients) as network:
        return await asyncio.to_thread(
            run_node, place / "node.json", _config(place, network, asks_clients=asks_clients)
        )


def _config(place: Path, network: KvNetwork, *, asks_clients: bool) -> JsonObject:
    opened = open_network(network.folder, SystemClock())
    crypto = network.folder / "crypto"
    tls: JsonObject = {"roots": str(crypto / "tlsca.pem")}
    if asks_clients:
        tls |= {"certificate": str(crypto / "tls.pem"), "key": str(crypto / "tls.key")}
    return {
        "endpoint": f"127.0.0.1:{network.ledger.port}",
        "tls": tls,
        "channel": CHANNEL,
        "chaincode": CHAINCODE,
        "users": make_users(place / "users", opened.authorities, SystemClock()),
        "orderers": [str(crypto / "OrdererMSP" / "orderer.pem")],
    }


@pytest.mark.parametrize("name", ROWS)
def test_row(seen: Seen, name: str) -> None:
    assert seen[name].ok, seen[name].told


def test_every_row_has_a_name_of_its_own(seen: Seen) -> None:
    assert len(set(ROWS)) == len(ROWS)
    assert set(seen) == set(ROWS)
