// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {DestinationId, IntentId, InvocationId} from "../types/Ids.sol";
import {Words} from "./Words.sol";

/// @title Record: what an enclave says about one invocation and one destination, seventeen words
/// @dev The counterpart of fabric/trust/record.py; docs/spec/record.md. Call `check` before any other function.
library RecordLib {
    using Words for bytes;

    bytes32 internal constant TAG = "cryptlet-fabric/record/v1";
    bytes32 internal constant NAME = "record";
    uint256 internal constant WORDS = 17;
    bytes32 private constant INTENT_TAG = "cryptlet-fabric/intent/v1";

    /// @dev Refuses anything but a record: length, tag, and the range of the three integers at its end.
    function check(bytes calldata record) internal pure {
        record.check(TAG, WORDS, NAME);
        for (uint256 index = 14; index < WORDS; ++index) record.uint64At(index, NAME);
    }

    function destination(bytes calldata record) internal pure returns (DestinationId) {
        return DestinationId.wrap(record.wordAt(2));
    }

    function recipient(bytes calldata record) internal pure returns (bytes32) {
        return record.wordAt(3);
    }

    function measurement(bytes calldata record) internal pure returns (bytes32) {
        return record.wordAt(4);
    }

    function binding(bytes calldata record) internal pure returns (bytes32) {
        return record.wordAt(5);
    }

    function method(bytes calldata record) internal pure returns (bytes32) {
        return record.wordAt(6);
    }

    function caller(bytes calldata record) internal pure returns (bytes32) {
        return record.wordAt(7);
    }

    function invocation(bytes calldata record) internal pure returns (InvocationId) {
        return InvocationId.wrap(record.wordAt(8));
    }

    function intent(bytes calldata record) internal pure returns (IntentId) {
        return IntentId.wrap(record.wordAt(9));
    }

    function input(bytes calldata record) internal pure returns (bytes32) {
        return record.wordAt(10);
    }

    function payload(bytes calldata record) internal pure returns (bytes32) {
        return record.wordAt(12);
    }

    function stateVersion(bytes calldata record) internal pure returns (uint64) {
        return record.uint64At(14, NAME);
    }

    function notAfter(bytes calldata record) internal pure returns (uint64) {
        return record.uint64At(16, NAME);
    }

    /// @dev Returns the id of the one effect of an invocation on a destination (docs/spec/ids.md).
    function intentOf(InvocationId id, DestinationId target) internal pure returns (IntentId) {
        return IntentId.wrap(sha256(abi.encode(INTENT_TAG, id, target)));
    }
}
