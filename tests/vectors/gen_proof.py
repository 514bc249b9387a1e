"""Writes tests/vectors/proof.json: whole proofs, those that a policy accepts and those that a step refuses."""

import json
from typing import Any, Final

from fabric.core import canonical
from fabric.trust.verifier import verify
from tests.support.proof_cases import TABLE
from tests.support.proofs import USUAL, Recipe, kinds, policy

FORMAT: Final = "cryptlet-fabric/proof-vectors/v1"
CASES_A_STEP: Final = 2
GRANTING: Final = Recipe(
    binding={"capabilities": ["native"]},
    statement={"usage": {"binary_wheels": 2, "input_bytes": 23, "output_bytes": 29}},
)
GRANT: Final = '"capabilities":["native"]'


def document() -> str:
    """Returns the text of the file; a proof is a text, since its exact bytes matter."""
    value = {
        "format": FORMAT,
        "policy": canonical.decode(policy().encode()),
        "accepted": [_accepted(name, recipe) for name, recipe in {**USUAL, "native code": GRANTING}.items()],
        "refused": _refused(),
    }
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def _accepted(name: str, recipe: Recipe) -> dict[str, Any]:
    data = recipe.make().encode()
    verified = verify(data, policy(), kinds)
    return {
        "name": name,
        "status": str(verified.anchorage.status),
        "source": str(verified.anchorage.source),
        "time": verified.anchorage.time,
        "proof": data.decode(),
    }


def _refused() -> list[dict[str, str]]:
    """Returns a few cases of each step, in turn of each ledger kind."""
    whole = Recipe().make().encode().decode()
    found = [
        {"name": "a line feed at the end", "step": "format", "proof": whole + "\n"},
        {"name": "a space", "step": "format", "proof": whole.replace(",", ", ", 1)},
        {"name": "a digit of the output", "step": "statement", "proof": whole.replace('"mean":5123', '"mean":5122')},
    ]
    granting = GRANTING.make().encode().decode()
    for name, other in {"an empty": "[]", "an unknown": '["nativ"]', "a repeated": '["native","native"]'}.items():
        proof = granting.replace(GRANT, f'"capabilities":{other}')
        found.append({"name": f"{name} grant", "step": "format", "proof": proof})
    taken = granting.replace(f"{GRANT},", "")
    found.append({"name": "a grant that was taken out", "step": "binding", "proof": taken})
    for step, table in TABLE.items():
        recipes = list(USUAL.values())
        for at, (name, case) in enumerate(list(table.items())[:CASES_A_STEP]):
            proof = case(recipes[at % len(recipes)]).encode().decode()
            found.append({"name": f"{step}: {name}", "step": step, "proof": proof})
    return found
