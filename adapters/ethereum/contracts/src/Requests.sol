// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Deployment} from "./Deployment.sol";
import {IRequests} from "./interfaces/IRequests.sol";
import {RequestLib} from "./libraries/RequestLib.sol";
import {InvocationId} from "./types/Ids.sol";

/// @title Requests: events that wake cryptlets
abstract contract Requests is Deployment {
    /// @inheritdoc IRequests
    uint64 public override requestCount;
    /// @inheritdoc IRequests
    mapping(uint64 index => InvocationId) public override requestAt;
    /// @inheritdoc IRequests
    mapping(address requester => uint64) public override nonceOf;

    /// @inheritdoc IRequests
    function request(bytes32 method, bytes32 input, bytes32 binding, uint64 stateVersion)
        external
        override
        onOwnChain
        returns (InvocationId invocation)
    {
        uint64 nonce = nonceOf[msg.sender]++;
        uint64 index = requestCount++;
        invocation = RequestLib.idOf(destinationId, msg.sender, nonce, method, input, binding);
        requestAt[index] = invocation;
        emit Requested(index, invocation, msg.sender, nonce, method, input, binding, stateVersion);
    }
}
