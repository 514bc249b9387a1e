"""The rules of an EVM ledger: Solidity sources, and the committed artefacts that the fabric deploys and calls.

``build.py`` makes the artefacts; whoever only runs the fabric needs no compiler.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Artifact:
    """What deploying and calling a contract takes.

    Attributes:
        abi: the JSON ABI as the compiler writes it, for web3 or eth-abi.
        bytecode: creation code; the constructor's encoded arguments follow it.
    """

    abi: list[dict[str, Any]]
    bytecode: bytes


@cache
def load(name: str) -> Artifact:
    """Returns a committed artefact.

    Args:
        name: ``Settlement``, ``ShipmentContract``; ``test/<name>`` for contracts that only tests deploy.

    Raises:
        KeyError: there is no artefact of that name.
    """
    path = resources.files(__name__) / "artifacts" / f"{name}.json"
    if not path.is_file():
        raise KeyError(name)
    value = json.loads(path.read_bytes())
    return Artifact(value["abi"], bytes.fromhex(value["bytecode"]))
