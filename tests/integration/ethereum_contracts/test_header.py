"""The generated header compiles, and reads a payload that the codec wrote."""

from typing import Any

import pytest

from adapters.ethereum.contracts import build
from registry.header.solidity import solidity
from tests.support.headers import awkward_methods, with_methods
from tests.support.projects import COLD_CHAIN, built

pytestmark = pytest.mark.ethereum

USER = """\
// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;
import {ColdChain} from "ColdChain.sol";
contract User {
    function read(bytes calldata payload) external pure returns (bool, int256, bytes32, bytes32) {
        ColdChain.JudgeOutput memory output = ColdChain.decodeJudgeOutput(payload);
        return (output.accepted, output.meanKineticMillicelsius, ColdChain.MEASUREMENT, ColdChain.JUDGE);
    }
}
"""


def test_it_compiles_without_a_warning() -> None:
    header = solidity(built(COLD_CHAIN).bundle, ("accepted", "mean_kinetic_millicelsius"))
    answered = _compiled({"ColdChain.sol": header, "User.sol": USER})
    assert answered.get("errors", []) == []
    assert answered["contracts"]["User.sol"]["User"]["evm"]["bytecode"]["object"]


def test_names_that_are_alike_compile_too() -> None:
    assert _compiled({"Awkward.sol": solidity(with_methods(awkward_methods()))}).get("errors", []) == []


def _compiled(sources: dict[str, str]) -> dict[str, Any]:
    given = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }
    answered: dict[str, Any] = build._compile(given)["output"]
    return answered
