"""Writes tests/vectors/rules.json: the scenarios, and the digests of their calls at a reference deployment.

Every scenario is run through the Python rules first; one that does not end as it says is not written.
"""

import json
from typing import Any, Final

from fabric.core.canonical import encode
from fabric.core.ids import sha256
from fabric.ledger.rules.violations import Code
from fabric.trust.destination import Destination
from fabric.trust.schemes import ED25519, EIP712
from tests.support.rules_builder import ACCOUNTS, START, Case, Scenario, build, party
from tests.support.rules_runner import run
from tests.vectors.mailbox_scenarios import MAILBOX
from tests.vectors.rules_scenarios import SCENARIOS

FORMAT: Final = "cryptlet-fabric/rules-vectors/v1"
PARTIES: Final = (*(f"appraiser-{n}" for n in range(3)), *(f"enclave-{n}" for n in range(3)), "stranger")
REFERENCE: Final = Destination(
    kind="ethereum",
    chain=(31337).to_bytes(32, "big"),
    genesis=sha256(b"reference genesis"),
    settlement=sha256(b"reference settlement")[:20].rjust(32, b"\0"),
    salt=sha256(b"reference salt"),
)


def document() -> str:
    """Returns the text of the file; raises AssertionError where a scenario does not hold."""
    value = {
        "format": FORMAT,
        "codes": [str(code) for code in Code],
        "keys": {name: _keys(name) for name in PARTIES},
        "reference": {
            "destination": REFERENCE.to_json() | {"id": REFERENCE.id.hex()},
            "start": START,
            "accounts": {name: word.hex() for name, word in ACCOUNTS.items()},
        },
        "scenarios": [_scenario(one) for one in (*SCENARIOS, *MAILBOX)],
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _keys(name: str) -> dict[str, str]:
    keys = party(name)
    return {
        "ed25519_seed": keys.ed25519_seed.hex(),
        "secp256k1_secret": keys.secp256k1_secret.hex(),
        "ed25519": keys.public.ed25519.hex(),
        "address": keys.public.address.hex(),
        "id": keys.public.id.hex(),
    }


def _scenario(scenario: Scenario) -> dict[str, Any]:
    digests = {}
    for scheme in (ED25519, EIP712):
        case = build(scenario, REFERENCE, scheme)
        run(case)
        digests[scheme] = _digest(case)
    return scenario | {"calls": digests}


def _digest(case: Case) -> str:
    """SHA-256 over the canonical list of the calls' digests; a change of any byte of any call shows here."""
    return sha256(encode([sha256(step.call).hex() for step in case.steps])).hex()
