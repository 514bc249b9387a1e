// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ContractCryptlet} from "../ContractCryptlet.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {InvocationId} from "../types/Ids.sol";

/// @dev Whom a probe calls in its effect.
interface IHook {
    function onApplied() external;
}

/// @title A contract cryptlet whose effect calls a stranger, or fails, as a test wants it
contract Probe is ContractCryptlet {
    /// @notice Thrown by the effect when the probe is armed to fail
    error EffectRefused();

    /// @notice Names the only method, `poke`
    bytes32 public immutable POKE = sha256("poke");
    /// @notice Whom the effect calls, if anyone
    IHook public hook;
    /// @notice Whether the effect fails: 1, or 0
    uint256 public failing;
    /// @notice How many effects happened
    uint256 public effects;

    constructor(ISettlement settlement_, bytes32 measurement_, bytes32 allowedCaller_)
        ContractCryptlet(settlement_, measurement_, allowedCaller_)
    {}

    /// @notice Says what the next effects do
    function arm(IHook hook_, uint256 failing_) external {
        (hook, failing) = (hook_, failing_);
    }

    /// @notice Asks for an invocation
    function ask(bytes32 method, bytes32 input) external returns (InvocationId) {
        return _request(method, input);
    }

    function _isMethod(bytes32 method) internal view override returns (bool) {
        return method == POKE;
    }

    function _apply(bytes32, bytes32, bytes calldata) internal override {
        if (failing != 0) revert EffectRefused();
        ++effects;
        if (address(hook) != address(0)) hook.onApplied();
    }
}
