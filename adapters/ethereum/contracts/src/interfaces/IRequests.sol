// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {InvocationId} from "../types/Ids.sol";

/// @title How a contract asks for an invocation
interface IRequests {
    /// @notice Emitted for every request; indexes are contiguous from 0, so that a reader can prove to have them all
    /// @param index the contract's counter of requests
    /// @param invocation id of the invocation, which commits to all but the index and the state version
    /// @param requester who asked
    /// @param nonce the requester's own counter
    /// @param method SHA-256 of the method's name
    /// @param input SHA-256 of the input bytes
    /// @param binding version of the binding that shall answer
    /// @param stateVersion version of the requester's state
    event Requested(
        uint64 indexed index,
        InvocationId indexed invocation,
        address indexed requester,
        uint64 nonce,
        bytes32 method,
        bytes32 input,
        bytes32 binding,
        uint64 stateVersion
    );

    /// @notice Asks for an invocation in the name of the sender
    /// @return invocation its id
    function request(bytes32 method, bytes32 input, bytes32 binding, uint64 stateVersion)
        external
        returns (InvocationId invocation);

    /// @notice Returns the number of requests so far
    function requestCount() external view returns (uint64);

    /// @notice Returns the invocation id of a request, or zero
    function requestAt(uint64 index) external view returns (InvocationId);

    /// @notice Returns the nonce that a requester's next request will have
    function nonceOf(address requester) external view returns (uint64);
}
