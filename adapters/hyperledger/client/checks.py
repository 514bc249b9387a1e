"""The test of a deployment for people: connects by itself, only reads, and says for each finding what to do.

Entry point of the group ``cryptlet.checks``. Peers answer only what a client signed: where the settings name no key
file, what needs it is not looked at. The first row that fails ends the test where nothing after it could be told.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from adapters.hyperledger.client.identity import WARN_SECONDS, ClientKeys, end_of, read_certificate
from adapters.hyperledger.client.ledger import Parts
from adapters.hyperledger.client.plugin import check_channel, check_genesis, connect
from adapters.hyperledger.client.settings import Settings, parse_settings, read_pem
from adapters.hyperledger.names import GENESIS_KEY
from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock, SystemClock
from fabric.core.errors import FabricError
from fabric.ledger.health import Check
from fabric.signers.process import KeyProcess
from fabric.signers.proposals import ClientGrant
from fabric.signers.protocol import ClientKey

_DAY: Final = 86_400
Step = Callable[[Parts, Settings], Awaitable[str]]


async def check(settings: Mapping[str, JsonValue], destination: bytes, account: bytes | None) -> list[Check]:
    """Tests a deployment; see ``fabric.ledger.health.Checker``."""
    del account  # nothing is paid for here
    wanted, clock = parse_settings(settings), SystemClock()
    found = [_destination(wanted, destination), _certificate(wanted, clock)]
    if wanted.key is None:
        fix = "name the client's key file as `key` in the settings; peers answer only what it signed"
        return [*found, Check("key", ok=False, found="no key file is named", fix=fix)]
    grant = ClientGrant(wanted.channel, frozenset({wanted.chaincode}))
    try:
        keys = await KeyProcess.start(client=ClientKey(Path(wanted.key), grant))
    except FabricError as error:
        return [*found, Check("key", ok=False, found=str(error), fix="correct the key file")]
    try:
        return [*found, *await _ask(wanted, keys, clock)]
    finally:
        await keys.aclose()


async def _ask(settings: Settings, keys: ClientKeys, clock: Clock) -> list[Check]:
    try:
        parts = connect(settings, clock, keys)
    except FabricError as error:
        return [Check("key", ok=False, found=str(error), fix="set a certificate that is made out to the key")]
    found = [Check("key", ok=True, found="the certificate is made out to it")]
    try:
        for name, step, fix in _STEPS:
            try:
                found.append(Check(name, ok=True, found=await step(parts, settings)))
            except FabricError as error:
                return [*found, Check(name, ok=False, found=str(error), fix=fix)]
    finally:
        await parts.asking.peers.aclose()
    return found


def _destination(settings: Settings, destination: bytes) -> Check:
    given = settings.destination.id
    fix = f"channel, chaincode, block or salt are not those of destination {destination.hex()}: correct the settings"
    return Check("destination id", given == destination, given.hex(), "" if given == destination else fix)


def _certificate(settings: Settings, clock: Clock) -> Check:
    try:
        end = end_of(read_certificate(read_pem(settings.certificate, "certificate"), "certificate"))
    except FabricError as error:
        return Check(
            "certificate", ok=False, found=str(error), fix="set the client's certificate, PEM or a file's path"
        )
    left = end - clock.unix_seconds()
    fix = "" if left >= WARN_SECONDS else "have the certificate's authority renew it for the same key"
    return Check("certificate", left >= WARN_SECONDS, f"ends in {left // _DAY} days", fix)


async def _channel(parts: Parts, settings: Settings) -> str:
    await check_channel(parts, settings)
    return f"{settings.channel} begins with block {settings.block}"


async def _head(parts: Parts, settings: Settings) -> str:
    newest = await parts.chain.newest(settings.limits.deliver_seconds)
    seal = "its orderers signed it" if settings.orderers else "no orderers are configured: nobody looks at signatures"
    return f"block {newest.number}; {seal}"


async def _genesis(parts: Parts, settings: Settings) -> str:
    founded, document = await check_genesis(parts, settings)
    quorum = f"{document.threshold} of {len(document.appraisers)} appraisers"
    return f"{settings.chaincode}, founded in block {founded}: {quorum}"


async def _endorsement(parts: Parts, settings: Settings) -> str:
    del settings
    read = await parts.asking.reader.read([GENESIS_KEY])
    signed = read.material["endorsements"]
    count = len(signed) if isinstance(signed, list) else 0
    return f"{count} endorsements satisfy the policy; the endorsers take this machine's time, {read.time}"


_STEPS: Final[list[tuple[str, Step, str]]] = [
    ("channel", _channel, "start the peer, or correct endpoints, tls, channel, msp, certificate or block"),
    ("blocks", _head, "correct orderers: a block's signatures are not of them"),
    ("genesis", _genesis, "install the chaincode and found the deployment, or correct chaincode and salt"),
    ("endorsement", _endorsement, "correct msps and policy, and this machine's clock"),
]
