"""The running fabric, asked through its door: does it answer, does each of its ledgers."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from fabric.core.errors import FabricError, NotFound
from fabric.core.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from fabric.wire.status import LedgerStatus

SECONDS: Final = 10.0
_FIXES: Final = {
    "halted": "find out why the ledger took final blocks back; nothing is sent to it before a person resumes it",
    "unreachable": "start the ledger's node, or correct its options in cryptlet-fabric.toml",
}


async def fabric_and_ledgers(state: Path) -> list[Finding]:
    """Asks the fabric of a state folder what it and its ledgers do; it may well not run."""
    from fabric.client import Client
    from fabric.gateway.endpoint import Endpoint, read_api_key

    try:
        endpoint = Endpoint.read(state)
        async with Client(endpoint.target, read_api_key(state), deadline_seconds=SECONDS) as client:
            found = await client.status()
    except NotFound as error:
        return [ok("fabric", f"its ledgers were not asked: {error}")]
    except FabricError as error:
        fix = f"start it again with `cryptlet up --state {state}`; nothing that was accepted is lost"
        return [fail("fabric", f"a fabric was started on {state} and does not answer: {error}", fix)]
    rows = [ok("fabric", f"runs at {endpoint.target}, {len(found.enclaves)} enclaves, {len(found.bindings)} bindings")]
    if not found.ray_jailed:
        fix = "allow user namespaces, and take allow_unjailed_ray out of cryptlet-fabric.toml"
        rows.append(warn("fabric", "Ray runs without its jail: code in Ray can read the fabric's keys", fix))
    return [*rows, *map(_ledger, found.ledgers)]


def _ledger(item: "LedgerStatus") -> Finding:
    name = f"ledger {item.name}"
    if item.state in _FIXES:
        return fail(name, f"{item.state}: {item.reason}", _FIXES[item.state])
    if item.key_state in {"retired", "revoked"}:
        fix = "restart the fabric, whose new enclave then registers keys of its own"
        return warn(name, f"the enclave's key is {item.key_state} there", fix)
    return ok(name, f"answers; the enclave's key is {item.key_state} there")
