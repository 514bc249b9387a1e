"""The generated header compiles, and reads a payload that the codec wrote."""

import pytest

from adapters.ethereum.contracts import build
from registry.header.solidity import solidity
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
    given = {
        "language": "Solidity",
        "sources": {"ColdChain.sol": {"content": header}, "User.sol": {"content": USER}},
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }
    answered = build._compile(given)["output"]
    assert answered.get("errors", []) == []
    assert answered["contracts"]["User.sol"]["User"]["evm"]["bytecode"]["object"]
