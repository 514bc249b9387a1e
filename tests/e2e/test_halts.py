"""A reorg beyond finality under a running fabric: one ledger halts, the others work, one command lets it go on."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from adapters.ethereum.rpc import Rpc
from tests.support.house import House
from tests.support.house_work import (
    PLAIN,
    assert_settled_once,
    deploy_shipment,
    document,
    integrator_of,
    invocation_of,
    settle_calls,
    wait_final,
    wait_until,
)
from tests.support.projects import SAMPLES

if TYPE_CHECKING:
    from fabric.core.canonical import JsonValue

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(600)]

REASON = "the validators agreed on the other branch"


async def cryptlet(house: House, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Runs a command on the house's state folder; returns its document."""
    command = [sys.executable, "-m", "fabric.cli.main", *arguments, "--state", str(house.state), "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=house.folder)
    out, _ = await process.communicate()
    assert process.returncode == 0, (arguments, out)
    return json.loads(out)


async def reorg(house: House, depth: int) -> None:
    rpc = Rpc(str(house.endpoint.ledgers["ethereum"].settings["url"]))
    try:
        nothing: JsonValue = []
        await rpc.ask([("anvil_reorg", [depth, nothing])])
    finally:
        await rpc.aclose()


async def halted_for(house: House) -> str:
    (ledger,) = [one for one in await cryptlet(house, "ledger", "list") if one["name"] == "ethereum"]
    return str(ledger["halted"]["reason"]) if ledger["halted"] else ""


async def test_a_halted_ledger_survives_a_restart_and_goes_on_by_one_command(running: House) -> None:
    house = running
    async with house.client() as client, integrator_of(house) as integrator:
        contract = await deploy_shipment(house, integrator, client, "asks-before-a-reorg")
        asked = await contract.request(await client.put_blob((SAMPLES / "good.csv").read_bytes()))
        early = await settle_calls(client, PLAIN, [document(0, "before-a-reorg")])
        await wait_final(client, [asked, *map(invocation_of, early.values())])
        await reorg(house, 3)
        assert "was final" in await wait_until(lambda: halted_for(house))
        late = await settle_calls(client, PLAIN, [document(1, "while-halted")])

        async def is_on_native() -> bool:
            anchors = (await client.result(invocation_of(late["while-halted"]))).anchors
            assert {one.status for one in anchors if one.ledger == "ethereum"} == {"unanchored"}
            return "operator-final" in {one.status for one in anchors}

        await wait_until(is_on_native)
    house.kill()
    house.start()
    assert "was final" in await halted_for(house)
    async with house.client() as client:
        late |= await settle_calls(client, PLAIN, [document(2, "after-the-restart")])
    resumed = await cryptlet(house, "ledger", "resume", "ethereum", "--reason", REASON)
    assert "was final" in resumed["halted_for"]
    consumed = await assert_settled_once(house, [*early.values(), *late.values()], asked)
    assert consumed[asked] == 1
    (status,) = await cryptlet(house, "ledger", "status", "ethereum")
    assert [entry["why"] for entry in status["resumptions"]] == [REASON]
    assert status["halted"] is None
    for name in ("ethereum", "native"):
        checks = await cryptlet(house, "ledger", "test", name)
        assert all(check["ok"] for check in checks), checks
