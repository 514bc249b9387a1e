"""Writes tests/vectors/standing.json: one standing of each state, and those that are refused."""

import json
from dataclasses import replace
from typing import Any, Final

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.ids import Measurement
from fabric.trust.standing import BINDS, MAX_LIFETIME_SECONDS, STARTS, Standing, State
from tests.support.proofs import REGISTRY, STRANGER, sample_standing
from tests.support.trust_samples import word

FORMAT: Final = "cryptlet-fabric/standing-vectors/v1"
BUNDLE: Final = Measurement(word("bundle"))
REASONS: Final = {
    State.ACTIVE: "",
    State.DEPRECATED: "2.0.0 reads more formats",
    State.YANKED: "rounds down",
    State.QUARANTINED: "reported, not looked at yet",
    State.REVOKED: "the publisher's key was stolen",
}


def document() -> str:
    """Returns the text of the file."""
    active = sample_standing(BUNDLE)
    swapped = replace(active, signature=sample_standing(BUNDLE, STRANGER).signature)
    mixed = replace(active, signature=replace(swapped.signature, key=REGISTRY.key))
    standings = [_one(state, sample_standing(BUNDLE, state=state, reason=why)) for state, why in REASONS.items()]
    value = {
        "format": FORMAT,
        "key": REGISTRY.key.hex(),
        "standings": [*standings, _one("signed by another than it names", mixed)],
        "malformed": [{"name": name, "standing": _with(**changes)} for name, changes in _WRONG.items()],
    }
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


_WRONG: Final[dict[str, JsonObject]] = {
    "another format": {"format": "cryptlet-fabric/standing/v2"},
    "no such state": {"state": "trusted"},
    "active for a reason": {"reason": "why not"},
    "revoked without a reason": {"state": "revoked"},
    "a day and a second": {"expires": sample_standing(BUNDLE).issued + MAX_LIFETIME_SECONDS + 1},
    "expired when issued": {"expires": sample_standing(BUNDLE).issued - 1},
}


def _one(name: str, standing: Standing) -> dict[str, Any]:
    return {
        "name": str(name),
        "standing": standing.to_json(),
        "signed": standing.is_signed(),
        "starts": standing.state in STARTS,
        "binds": standing.state in BINDS,
    }


def _with(**changes: JsonValue) -> JsonObject:
    standing = sample_standing(BUNDLE)
    return {**standing.to_json(), "statement": standing.fields | changes}
