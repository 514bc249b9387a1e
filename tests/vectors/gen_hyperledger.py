"""Writes tests/vectors/hyperledger_receipt.json: read-backs of a channel with keys from fixed seeds.

The channel is none that ran. ``accepted`` holds; each of ``refused`` stops at the step that it names. A case of its own
is a transaction that a block holds and that is invalid: its batch is not read back.
"""

import json
from typing import Any, Final

import pytest

from adapters.hyperledger.destination import Hyperledger
from fabric.core.canonical import JsonObject
from fabric.core.errors import VerificationError
from tests.support.readback_cases import STEP_CASES
from tests.support.readbacks import ANCHORED, BLOCK, DESTINATION, HEADER, KEY, TRUST, Recipe, receipt

FORMAT: Final = "cryptlet-fabric/hyperledger-receipt-vectors/v1"
INVALID: Final = "a transaction that a block holds and that is invalid"


def document() -> str:
    """Returns the text of the file; raises AssertionError where a case does not end as it says."""
    value = {
        "format": FORMAT,
        "destination": DESTINATION.to_json(),
        "header": HEADER.encoded.hex(),
        "trust": TRUST,
        "accepted": {"time": ANCHORED, "position": BLOCK, "material": _accepted(receipt())},
        "refused": [_refused(INVALID, None, Recipe(state={KEY: None})), *_steps()],
    }
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def _steps() -> list[dict[str, Any]]:
    """Returns one case of each step."""
    firsts = ((step, *next(iter(cases.items()))) for step, cases in STEP_CASES.items())
    return [_refused(name, step, recipe) for step, name, recipe in firsts]


def _accepted(material: JsonObject) -> JsonObject:
    shown = Hyperledger().check_receipt(DESTINATION, HEADER, material, TRUST)
    assert (shown.time, shown.position) == (ANCHORED, BLOCK)
    return material


def _refused(name: str, step: str | None, recipe: Recipe) -> dict[str, Any]:
    material = receipt(recipe)
    with pytest.raises(VerificationError) as caught:
        Hyperledger().check_receipt(DESTINATION, HEADER, material, TRUST)
    reason = caught.value.reason
    assert step is None or f" {step}: " in reason
    return {"name": name, "step": step, "reason": reason, "material": material}
