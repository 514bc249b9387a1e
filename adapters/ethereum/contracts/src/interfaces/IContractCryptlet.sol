// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "./ISettlement.sol";
import {BatchId, InvocationId} from "../types/Ids.sol";

/// @title A contract whose logic is a cryptlet
/// @notice It acts on a record of the one cryptlet and binding that it names, for its present state, once.
interface IContractCryptlet {
    /// @notice Thrown when the sender is not the deployer
    error NotDeployer(address sender);

    /// @notice Thrown when the binding version is already set
    error AlreadyBound(bytes32 binding);

    /// @notice Thrown when the binding version is not set, or would be set to zero
    error NotBound();

    /// @notice Thrown when the record is of another bundle
    error WrongMeasurement(bytes32 measurement);

    /// @notice Thrown when the record is of another binding version
    error WrongBinding(bytes32 binding, bytes32 expected);

    /// @notice Thrown when the contract has no such method
    error UnknownMethod(bytes32 method);

    /// @notice Thrown when neither this contract nor the allowed caller asked for the invocation
    error UnknownOrigin(InvocationId invocation, bytes32 caller);

    /// @notice Thrown when the record answers something else than was asked under its invocation id
    error WrongAnswer(InvocationId invocation);

    /// @notice Thrown when the contract asked on a state that has changed since; it must ask again
    error StaleState(uint64 asked, uint64 current);

    /// @notice Thrown when the record applies to another state
    error WrongStateVersion(uint64 version, uint64 current);

    /// @notice Thrown when the payload is not the one whose digest the record carries
    error WrongPayload(bytes32 digest, bytes32 expected);

    /// @notice Emitted when the binding version is set
    event Bound(bytes32 indexed binding);

    /// @notice Emitted when a result has been applied
    event Applied(InvocationId indexed invocation, bytes32 indexed method, uint64 stateVersion);

    /// @notice Sets the binding version, once: the binding document names this contract, so it is made afterwards
    function bind(bytes32 version) external;

    /// @notice Applies a record's result; anyone may bring it
    /// @param record the seventeen words of a record
    /// @param payload the bytes whose digest the record carries
    /// @param batchId the settled batch that holds it
    /// @param index its place in the batch
    /// @param path RFC 6962 audit path, lowest sibling first
    function consume(
        bytes calldata record,
        bytes calldata payload,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) external;

    /// @notice Says whether an own request awaits its answer and can still be applied
    function isPending(InvocationId invocation) external view returns (bool);

    /// @notice Returns the settlement contract of this destination
    function settlement() external view returns (ISettlement);

    /// @notice Returns the measurement of the only bundle whose results count
    function measurement() external view returns (bytes32);

    /// @notice Returns the binding version, or zero
    function binding() external view returns (bytes32);

    /// @notice Returns the caller whose invocations count beside own requests, or zero
    function allowedCaller() external view returns (bytes32);

    /// @notice Returns who deployed the contract
    function deployer() external view returns (address);

    /// @notice Returns how many results have been applied
    function stateVersion() external view returns (uint64);
}
