"""Peers over real gRPC: TLS in both directions, one peer after the other, deadlines, bounds, and bytes of any kind."""

import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from adapters.hyperledger.client.endorsing import ChaincodeRefused
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.peers import PeerError
from adapters.hyperledger.client.plugin import connect, open_ledger
from adapters.hyperledger.client.settings import parse_settings
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, LedgerSilent, LedgerUnavailable
from fabric.core.ids import Account, sha256
from fabric.ledger.port import Phase
from tests.support.harness import Works
from tests.support.hl_channel import MemoryChannel
from tests.support.hl_server import Server, TlsAuthority, serve

pytestmark = pytest.mark.hyperledger
START = 1_800_000_000


@pytest.fixture
def channel() -> MemoryChannel:
    return MemoryChannel(FrozenClock(START))


@pytest.fixture
async def server(channel: MemoryChannel) -> AsyncIterator[Server]:
    async with serve(channel) as running:
        yield running


async def opened(server: Server, *endpoints: str, **changes: JsonValue) -> HyperledgerLedger:
    channel = server.channel
    places: list[JsonValue] = [*endpoints] or [server.endpoint]
    return await open_ledger(channel.config(endpoints=places, **changes), channel.clock, channel.keys)


def works(ledger: HyperledgerLedger) -> Works:
    return Works(ledger.destination, Account(sha256(b"nobody")), START)


async def test_work_goes_over_the_wire(server: Server) -> None:
    ledger = await opened(server)
    work = works(ledger)
    batch = work.batch("b", 1)
    submissions = await ledger.prepare([work.registration(), batch.settle], [])
    assert (await ledger.observe([(batch.settle, submissions[1])]))[0].phase is Phase.ABSENT
    await ledger.submit(submissions)
    assert (await ledger.observe([(batch.settle, submissions[1])]))[0].phase is Phase.FINAL
    assert (await ledger.health())["head"] == 1
    await ledger.aclose()


async def test_the_next_peer_is_asked_where_one_is_away(server: Server) -> None:
    ledger = await opened(server, "127.0.0.1:1", server.endpoint, "127.0.0.1:2")
    assert not await ledger.is_settled(works(ledger).batch("b", 1).settle.header.batch_id)
    await ledger.aclose()


async def test_no_peer_is_an_error_by_name(server: Server) -> None:
    with pytest.raises(LedgerUnavailable, match=r"peer 127\.0\.0\.1:2: UNAVAILABLE"):
        await opened(server, "127.0.0.1:1", "127.0.0.1:2")


async def test_a_peer_that_does_not_answer_is_left_for_the_next(channel: MemoryChannel) -> None:
    async with serve(channel) as hanging, serve(channel) as good:
        ledger = await opened(hanging, hanging.endpoint, good.endpoint, limits={"endorse_seconds": 0.5})
        hanging.slow.add("Endorse")
        batch = works(ledger).batch("b", 1).settle.header.batch_id
        with pytest.raises(PeerError, match="DEADLINE_EXCEEDED"):
            await ledger.is_settled(batch)
        assert not await ledger.is_settled(batch)
        await ledger.aclose()


async def test_what_the_chaincode_said_is_told(server: Server) -> None:
    ledger = await opened(server)
    server.channel.state.pop("genesis")
    with pytest.raises(ChaincodeRefused, match="no genesis document is there"):
        await ledger.ledger_time()
    await ledger.aclose()


@pytest.mark.parametrize("method", ["Endorse", "CommitStatus", "Deliver"])
@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\xff\x01", b"\x0a\x05hello"], ids=["wire", "cut off", "other"])
async def test_any_bytes_of_a_peer_are_an_error(server: Server, method: str, raw: bytes) -> None:
    ledger = await opened(server)
    work = works(ledger).registration()
    (submission,) = await ledger.prepare([work], [])
    server.raw[method] = raw
    asked = {
        "Endorse": ledger.ledger_time(),
        "CommitStatus": ledger.observe([(work, submission)]),
        "Deliver": ledger.requests(b"", 1),
    }
    for name, question in asked.items():
        if name == method:
            with pytest.raises(LedgerUnavailable):
                await question
        else:
            question.close()
    await ledger.aclose()


async def test_a_longer_answer_than_the_bound_is_refused(server: Server) -> None:
    ledger = await opened(server, limits={"message_bytes": 1 << 20})
    server.raw["Endorse"] = bytes(2 << 20)
    with pytest.raises(PeerError, match="RESOURCE_EXHAUSTED"):
        await ledger.ledger_time()
    await ledger.aclose()


# TLS.

PEERS = TlsAuthority.make("tlsca.peers")
CLIENTS = TlsAuthority.make("tlsca.clients")


def one_way(name: str = "localhost") -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([PEERS.issue(name)])


def mutual() -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([PEERS.issue("localhost")], CLIENTS.pem, require_client_auth=True)


def trusting(authority: TlsAuthority, **more: JsonValue) -> JsonObject:
    return {"roots": authority.pem.decode(), **more}


async def test_a_peer_is_known_by_its_authority(channel: MemoryChannel) -> None:
    async with serve(channel, one_way()) as running:
        ledger = await opened(running, tls=trusting(PEERS))
        assert await ledger.ledger_time() == START
        await ledger.aclose()


async def test_a_wrong_root_of_tls_is_refused(channel: MemoryChannel) -> None:
    async with serve(channel, one_way()) as running:
        with pytest.raises(LedgerSilent, match="UNAVAILABLE"):
            await opened(running, tls=trusting(CLIENTS))


async def test_another_name_than_the_dialled_one_must_be_asked_for(channel: MemoryChannel) -> None:
    async with serve(channel, one_way("peer0.org1.example.com")) as running:
        with pytest.raises(LedgerSilent, match="UNAVAILABLE"):
            await opened(running, tls=trusting(PEERS))
        ledger = await opened(running, tls=trusting(PEERS, server_name="peer0.org1.example.com"))
        await ledger.aclose()


async def test_a_peer_may_ask_for_our_certificate(channel: MemoryChannel, tmp_path: Path) -> None:
    key, certificate = CLIENTS.issue("relayer")
    path = tmp_path / "tls.key"
    path.touch(mode=0o600)
    path.write_bytes(key)
    async with serve(channel, mutual()) as running:
        with pytest.raises(LedgerSilent, match="UNAVAILABLE"):
            await opened(running, tls=trusting(PEERS))
        ours = trusting(PEERS, certificate=certificate.decode(), key=str(path))
        seen: list[bytes] = []
        running.channel.spoil["seek"] = lambda header: seen.append(header.tls_cert_hash)
        ledger = await opened(running, tls=ours)
        await ledger.aclose()
        assert set(seen) == {hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).digest()}


async def test_a_readable_key_of_tls_is_refused(channel: MemoryChannel, tmp_path: Path) -> None:
    path = tmp_path / "tls.key"
    path.write_bytes(b"key")
    path.chmod(0o644)
    config = channel.config(tls=trusting(PEERS, certificate="-----BEGIN x", key=str(path)))
    with pytest.raises(ConfigError, match="chmod 600"):
        connect(parse_settings(config), channel.clock, channel.keys)
