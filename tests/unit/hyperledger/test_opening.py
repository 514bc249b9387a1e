"""Opening: settings with the nearest valid key, and a channel, chaincode or certificate that is another is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.hyperledger.client import checks, plugin
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.peers import Credentials
from adapters.hyperledger.client.plugin import open_ledger
from adapters.hyperledger.client.settings import parse_settings
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import ConfigError, ForeignLedger, LedgerUnavailable
from fabric.core.ids import sha256
from tests.support.hl_authorities import DAY, Authority, LocalKeys, new_key
from tests.support.hl_channel import CHAINCODE, CHANNEL, MemoryChannel
from tests.unit.hyperledger.conftest import START, World


@pytest.fixture
def peers(world: World, monkeypatch: pytest.MonkeyPatch) -> MemoryChannel:
    monkeypatch.setattr(plugin, "Peers", lambda *_: world.channel)
    return world.channel


async def opened(world: World, **changes: JsonValue) -> HyperledgerLedger:
    return await open_ledger(world.channel.config(**changes), world.clock, world.channel.keys)


@pytest.mark.usefixtures("peers")
async def test_the_deployment_that_was_configured_is_opened(world: World) -> None:
    ledger = await opened(world)
    assert ledger.destination == world.channel.document.destination
    assert (await ledger.health())["head"] == 0


@pytest.mark.usefixtures("peers")
async def test_a_wiped_channel_is_another_destination(world: World) -> None:
    with pytest.raises(ForeignLedger, match="another channel of this name, or one that was wiped"):
        await opened(world, block="00" * 32)


@pytest.mark.usefixtures("peers")
async def test_another_salt_is_another_destination(world: World) -> None:
    with pytest.raises(ForeignLedger, match="the chaincode is of destination"):
        await opened(world, salt="00" * 32)


@pytest.mark.usefixtures("peers")
async def test_a_chaincode_without_a_deployment_is_told(world: World) -> None:
    del world.channel.state["genesis"]
    with pytest.raises(ForeignLedger, match="holds no deployment"):
        await opened(world)


@pytest.mark.usefixtures("peers")
async def test_a_certificate_that_ends_soon_is_logged(world: World) -> None:
    member = world.channel.authorities[0].issue("relayer", "client", key=world.channel.client.key, ends=START + 5 * DAY)
    with capture_logs() as logs:
        await opened(world, certificate=member.pem)
    assert any("ends in 5 days" in str(entry["event"]) for entry in logs)


async def test_a_certificate_of_another_key_is_refused(world: World) -> None:
    other = LocalKeys(new_key(), CHANNEL, CHAINCODE)
    with pytest.raises(ConfigError, match="another key"):
        await open_ledger(world.channel.config(), world.clock, other)
    with pytest.raises(ConfigError, match="no key was given"):
        await open_ledger(world.channel.config(), world.clock)


WRONG: dict[str, tuple[JsonObject, str]] = {
    "unknown": ({"chanel": "x"}, "unknown key 'chanel' - did you mean 'channel'"),
    "unknown inside": ({"limits": {"cals": 3}}, "unknown key 'limits.cals' - did you mean 'calls'"),
    "unknown of tls": ({"tls": {"roots": "x", "servername": "y"}}, "did you mean 'server_name'"),
    "no TLS": ({"endpoints": ["peer0.org1.example.com:7051"]}, "tls is missing"),
    "no endpoints": ({"endpoints": []}, "endpoints"),
    "endpoint": ({"endpoints": ["https://peer"]}, "endpoints"),
    "block": ({"block": "xyz"}, "block"),
    "key without certificate": ({"tls": {"roots": "x", "key": "y"}}, "go together"),
    "no roots": ({"msps": {"Org1MSP": {"roots": []}}}, "msps.Org1MSP.roots"),
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_cannot_be_used_are_named(world: World, name: str) -> None:
    changes, reason = WRONG[name]
    with pytest.raises(ConfigError, match=reason):
        parse_settings(world.channel.config(**changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy": "Org1MSP.king"}, "role being one of"),
        ({"policy": {"n": 3, "of": ["Org1MSP.peer"]}}, "from 1 to 1"),
        ({"certificate": "/nowhere/at/all"}, "neither PEM nor a file"),
        ({"certificate": "-----BEGIN nonsense"}, "expected one certificate"),
        ({"msps": {"Org1MSP": {"roots": ["-----BEGIN nonsense"]}}}, "expected one certificate"),
        ({"orderers": {"OrdererMSP": {"roots": ["-----BEGIN nonsense"]}}}, "expected one certificate"),
    ],
)
async def test_certificates_and_policies_that_cannot_be_used_are_named(
    world: World, changes: JsonObject, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        await opened(world, **changes)


def test_certificates_may_lie_in_files(world: World, tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    path.write_text(world.channel.authorities[0].pem)
    settings = parse_settings(world.channel.config(msps={"Org1MSP": {"roots": [str(path)]}}))
    msps = settings.trust["msps"]
    assert msps == {"Org1MSP": {"roots": [world.channel.authorities[0].pem], "intermediates": []}}


# Authorities; policies are in test_endorsers.


async def test_an_intermediate_authority_counts_where_it_is_named(world: World) -> None:
    root = world.channel.authorities[1]
    below = Authority("Org2MSP", START, root)
    world.channel.endorsers[1] = below.issue("peer0", "peer")
    with pytest.raises(LedgerUnavailable, match="does not chain"):
        await world.ledger.is_settled(world.works.batch("b", 1).settle.header.batch_id)
    msps = {each.msp: each.trusted for each in world.channel.authorities}
    named: JsonObject = {**msps, "Org2MSP": {"roots": [root.pem], "intermediates": [below.pem]}}
    settings = parse_settings(world.channel.config(msps=named))
    parts = plugin.connect(settings, world.clock, world.channel.keys, world.channel)
    assert (await parts.asking.reader.read(["genesis"])).found["genesis"] is not None


# The test for people.


@pytest.fixture
def key_file(tmp_path: Path, world: World) -> Path:
    path = tmp_path / "client.key"
    path.touch(mode=0o600)
    number = world.channel.client.key.private_numbers().private_value
    path.write_text(f"{number:064x}\n")
    return path


@pytest.mark.usefixtures("peers")
async def test_a_deployment_passes_its_test(world: World, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SystemClock", lambda: world.clock)
    destination = world.ledger.destination.id
    found = await checks.check(world.channel.config(key=str(key_file)), destination, None)
    assert all(each.ok for each in found), found
    names = ["destination id", "certificate", "key", "channel", "blocks", "genesis", "endorsement"]
    assert [each.name for each in found] == names
    wrong = await checks.check(world.channel.config(key=str(key_file), block="00" * 32), destination, None)
    assert (wrong[0].name, wrong[0].ok) == ("destination id", False)
    assert (wrong[-1].name, wrong[-1].ok) == ("channel", False)


async def test_a_test_without_a_key_says_so(world: World) -> None:
    found = await checks.check(world.channel.config(), sha256(b"other"), None)
    assert [(each.name, each.ok) for each in found][0::2] == [("destination id", False), ("key", False)]


def test_credentials_hold_no_key_in_their_text() -> None:
    assert "secret" not in repr(replace(Credentials(b"roots"), key=b"secret"))
