// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IHook} from "./Probe.sol";

/// @title Calls back into whoever calls it, once, and keeps the answer
contract Attacker is IHook {
    address public target;
    bytes public attack;
    bool public called;
    bool public succeeded;
    bytes public answer;

    function load(address target_, bytes calldata attack_) external {
        (target, attack) = (target_, attack_);
    }

    function onApplied() external override {
        if (called) return;
        called = true;
        (succeeded, answer) = target.call(attack);
    }
}
