"""The test of a deployment for people: connects by itself, only reads, and says for each finding what to do.

Entry point of the group ``cryptlet.checks``. Later rows need what earlier ones found, so the first that fails ends the
test where nothing after it could be told.
"""

from collections.abc import Mapping

from adapters.ethereum import abi, answers
from adapters.ethereum.health import health, low_balance
from adapters.ethereum.plugin import destination_of
from adapters.ethereum.receipts import prove_block
from adapters.ethereum.rpc import Call, Rpc, RpcError
from adapters.ethereum.settings import Settings, parse_settings
from adapters.ethereum.view import block_call
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import LedgerUnavailable
from fabric.ledger.health import Check


async def check(settings: Mapping[str, JsonValue], destination: bytes, account: bytes | None) -> list[Check]:
    """Tests a deployment; see ``fabric.ledger.health.Checker``."""
    wanted = parse_settings(settings)
    rpc = Rpc(wanted.url, wanted.timeout_seconds)
    try:
        return await _checks(rpc, wanted, destination, account)
    except LedgerUnavailable as error:
        fix = f"start the node, or correct the URL; {rpc.place} must serve JSON-RPC over HTTP"
        return [Check("reachable", ok=False, found=str(error), fix=fix)]
    finally:
        await rpc.aclose()


async def _checks(rpc: Rpc, settings: Settings, destination: bytes, account: bytes | None) -> list[Check]:
    stated, first = await rpc.ask([("eth_chainId", []), block_call(0)])
    with answers.reading():
        chain_id, genesis = answers.quantity(stated, "chain id"), answers.block(first).hash
    found = [
        Check("reachable", ok=True, found=rpc.place),
        _chain_id(settings, chain_id),
        _genesis(settings, genesis),
    ]
    given = destination_of(chain_id, genesis, settings.address, bytes.fromhex(settings.salt)).id
    found += await _contract(rpc, settings, given, destination)
    facts = await health(rpc, account, settings.finality, settings.fees)
    return [*found, _finality(settings, facts), await _receipts(rpc), _fee(facts), *_balance(settings, facts)]


def _chain_id(settings: Settings, chain_id: int) -> Check:
    ok = settings.chain_id in (None, chain_id)
    fix = f"connect to a node of chain {settings.chain_id}"
    return Check("chain id", ok, str(chain_id), "" if ok else fix)


def _genesis(settings: Settings, genesis: bytes) -> Check:
    ok = settings.genesis in (None, genesis.hex())
    fix = f"this is another chain, or one that was wiped: connect to the one whose genesis is 0x{settings.genesis}"
    return Check("genesis", ok, "0x" + genesis.hex(), "" if ok else fix)


async def _contract(rpc: Rpc, settings: Settings, given: bytes, destination: bytes) -> list[Check]:
    call: JsonValue = {"to": settings.settlement, "data": "0x" + abi.DESTINATION_ID.call().hex()}
    asked: list[Call] = [("eth_getCode", [settings.settlement, "latest"]), ("eth_call", [call, "latest"])]
    code, stated = await rpc.batch(asked)
    if isinstance(code, RpcError) or code in ("0x", None):
        fix = "deploy settlement on this chain, or correct its address"
        return [Check("contract", ok=False, found=f"no code at {settings.settlement}", fix=fix)]
    says = None if isinstance(stated, RpcError) else stated
    ok = given == destination and says == "0x" + destination.hex()
    fix = f"chain, address or salt are not those of destination {destination.hex()}: correct the settings"
    return [
        Check("contract", ok=True, found=settings.settlement),
        Check("destination id", ok, str(says), "" if ok else fix),
    ]


def _finality(settings: Settings, facts: JsonObject) -> Check:
    head = facts["head"]
    ok = isinstance(head, int) and head >= settings.finality
    found = f"head {head}, final {facts['final']} ({settings.finality} blocks behind it)"
    return Check("finality", ok, found, "" if ok else "wait for more blocks; nothing is final yet")


async def _receipts(rpc: Rpc) -> Check:
    """Looks whether the node can prove a block: header, receipts and their root."""
    fix = "take a node that serves eth_getBlockReceipts and whole headers; without them no proof can be made"
    try:
        (latest,) = await rpc.ask([("eth_getBlockByNumber", ["latest", False])])
        with answers.reading():
            block = answers.block(latest)
        await prove_block(rpc, block.hash, block.number)
    except LedgerUnavailable as error:
        return Check("receipts", ok=False, found=str(error), fix=fix)
    return Check("receipts", ok=True, found=f"block {block.number} is proven by its hash")


def _fee(facts: JsonObject) -> Check:
    ok = not facts["fee_is_above_cap"]
    found = f"{facts['fee_wei']} wei a gas unit, cap {facts['fee_cap_wei']}"
    return Check("fee", ok, found, "" if ok else "wait until the fee falls, or raise fee_cap; nothing is sent above it")


def _balance(settings: Settings, facts: JsonObject) -> list[Check]:
    if "balance_wei" not in facts:
        return []
    enough = low_balance(settings.fees)
    ok = int(str(facts["balance_wei"])) >= enough
    fix = f"fund {facts['relayer']}: below {enough} wei it may not pay for 100 settlements at the cap"
    return [Check("balance", ok, f"{facts['balance_wei']} wei of {facts['relayer']}", "" if ok else fix)]
