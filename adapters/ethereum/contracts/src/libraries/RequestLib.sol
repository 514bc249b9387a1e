// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {DestinationId, InvocationId} from "../types/Ids.sol";
import {Words} from "./Words.sol";

/// @title Ids of event-born invocations
/// @dev The counterpart of `request_id` in fabric/core/ids.py; docs/spec/ids.md.
library RequestLib {
    bytes32 private constant TAG = "cryptlet-fabric/request/v1";

    /// @dev Returns the id of a request, which commits to who asked, for what, and under which binding.
    function idOf(
        DestinationId destination,
        address requester,
        uint64 nonce,
        bytes32 method,
        bytes32 input,
        bytes32 binding
    ) internal pure returns (InvocationId) {
        bytes memory words =
            abi.encode(TAG, destination, Words.pad(requester), uint256(nonce), method, input, binding);
        return InvocationId.wrap(sha256(words));
    }
}
