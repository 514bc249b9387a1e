"""Real peers and the embedded ledger's validator judge alike; where ``HYPERLEDGER_NODE`` names a network of others.

Every kind of spoiled transaction is submitted there, and all blocks of that channel are validated again here. The
file is written by ``tests.support.hl_node``.
"""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from adapters.hyperledger.embedded.authorities import Authority
from adapters.hyperledger.embedded.channel import written
from adapters.hyperledger.embedded.identities import Identities, Member
from adapters.hyperledger.embedded.policies import parse_policy
from adapters.hyperledger.embedded.state import WorldState
from adapters.hyperledger.embedded.transactions import read_header
from adapters.hyperledger.embedded.validation import Rules, validate
from adapters.hyperledger.proto import common_pb2, peer_pb2
from fabric.core.clock import SystemClock
from tests.support.hl_books import Parts
from tests.support.hl_cases import CASES, ORDERER, Organisations
from tests.support.hl_client import Client, Transaction
from tests.support.hl_node import load_member

REAL = os.environ.get("HYPERLEDGER_NODE", "")
pytestmark = [pytest.mark.hyperledger, pytest.mark.skipif(not REAL, reason="HYPERLEDGER_NODE names no network")]
POLICIES = {"kv": "AND('Org1MSP.peer','Org2MSP.peer')", "_lifecycle": "OR('Org1MSP.peer','Org2MSP.peer')"}


@dataclass(frozen=True)
class Network:
    """A network of others, with its organisations' keys and a client."""

    all: Organisations
    client: Client


@pytest.fixture
def config() -> Any:  # noqa: ANN401 - of a file
    return json.loads(Path(REAL).read_text())


@pytest.fixture
def roots(config: Any) -> bytes:  # noqa: ANN401 - of a file
    return Path(config["tls"]["roots"]).read_bytes()


@pytest.fixture
async def network(config: Any, roots: bytes) -> AsyncIterator[Network]:  # noqa: ANN401 - of a file
    clock = SystemClock()
    held = {msp: _member(msp, one) for msp, one in config["authorities"].items()}
    authorities = {msp: Authority(msp, one.certificate, one.key, clock) for msp, one in held.items()}
    peers = {msp: _member(msp, one) for msp, one in config["peers"].items()}
    user = _member("Org1MSP", config["users"]["user"])
    credentials = grpc.ssl_channel_credentials(roots)
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.secure_channel(config["endpoint"], credentials, options=options) as stub:
        client = Client(stub, user, config["channel"], config["chaincode"])
        yield Network(Organisations(clock, authorities, peers), client)


def _member(msp: str, files: Any) -> Member:  # noqa: ANN401 - of a file
    return load_member(msp, Path(files["certificate"]), Path(files["key"]))


def _parts(network: Network) -> Parts:
    client = network.client
    names = {"channel": client.channel, "chaincode": client.chaincode, "namespace": client.chaincode}
    peers = list(network.all.peers.values())
    return Parts(client.member, secrets.token_bytes(24), peers, {secrets.token_hex(8): b"1"}, **names)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(set(CASES) - {"envelope is no message"}))
async def test_code(network: Network, name: str) -> None:
    change, expected = CASES[name]
    envelope = common_pb2.Envelope.FromString(change(network.all, _parts(network)))
    height = len(await network.client.blocks())
    if name in ORDERER:
        with pytest.raises(grpc.aio.AioRpcError, match="received unsuccessful response from orderer"):
            await network.client.submit(Transaction("", envelope))
        return
    await network.client.submit(Transaction("", envelope))
    codes = [code for block in await _blocks_from(network, height) for code in block.metadata.metadata[2]]
    assert [peer_pb2.TxValidationCode.Name(code) for code in codes] == [expected]


async def _blocks_from(network: Network, height: int) -> list[common_pb2.Block]:
    async with asyncio.timeout(30):
        while True:
            blocks = (await network.client.blocks())[height:]
            if blocks:
                return blocks
            await asyncio.sleep(0.1)


async def test_all_blocks_judged_again(network: Network) -> None:
    known: set[str] = set()
    roots = {msp: authority.certificate for msp, authority in network.all.authorities.items()}
    client, state = network.client, WorldState()
    policies = {client.chaincode: parse_policy(POLICIES["kv"]), "_lifecycle": parse_policy(POLICIES["_lifecycle"])}
    rules = Rules(client.channel, Identities(roots, SystemClock()), policies, known.__contains__)
    first, *blocks = await client.blocks()
    assert read_header(first.data.data[0]).type == common_pb2.CONFIG
    for block in blocks:
        real = list(block.metadata.metadata[2])
        ours = validate(rules, state, block.header.number, list(block.data.data)).codes
        kinds = [read_header(data).type for data in block.data.data]
        judged = [place for place, kind in enumerate(kinds) if kind != common_pb2.CONFIG]
        assert [ours[place] for place in judged] == [real[place] for place in judged], block.header.number
        state.apply(written(block, real))
        known.update(read_header(data).tx_id for data in block.data.data)
