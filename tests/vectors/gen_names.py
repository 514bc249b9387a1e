"""Vectors of names: references, skeletons and clashes; right ones and ones to refuse."""

import json
from typing import Any, Final

from fabric.core.errors import Malformed
from registry.names import clashes, normalised, parse_ref, skeleton

REFERENCES: Final = (
    "acme/cold-chain",
    "acme/cold-chain@1.2.0rc1",
    "a/b",
    "cold-chain",
    "Acme/x",
    "acme/x--y",
    "a/b@1.2",
)
FORMS: Final = ("cold-chain", "C\u043eld_Ch\u0430in", "modem", "rnodern", "vvallet", "\uff41cme", "l0t1", "caf\u00e9")
PAIRS: Final = (
    *(("acme", "acme"), ("cold-chain", "coldchain"), ("acme", "acrne"), ("acme", "\u0430cme"), ("wallet", "wallets")),
    *(("cold-chain", "cold-chian"), ("acme", "acne"), ("acme", "accme"), ("fingerprint", "fingerprnit"), ("a", "b")),
)


def document() -> str:
    """Returns the vector file."""
    value: dict[str, Any] = {
        "references": [_reference(text) for text in REFERENCES],
        "forms": [{"name": name, "normalised": normalised(name), "skeleton": skeleton(name)} for name in FORMS],
        "clashes": [
            {"existing": there, "candidate": new, "kind": found and found.kind.value}
            for there, new in PAIRS
            for found in [clashes(new, [there])]
        ],
    }
    return json.dumps(value, indent=1) + "\n"


def _reference(text: str) -> dict[str, Any]:
    try:
        ref = parse_ref(text)
    except Malformed as error:
        return {"text": text, "wrong": error.format}
    return {"text": text, "namespace": ref.namespace, "name": ref.name, "version": ref.version}
