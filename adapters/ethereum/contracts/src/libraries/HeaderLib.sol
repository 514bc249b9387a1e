// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {BatchId, DestinationId} from "../types/Ids.sol";
import {Words} from "./Words.sol";

/// @title Header: the only thing that an enclave signs, five words
/// @dev The counterpart of `Header` in fabric/trust/batch.py; docs/spec/batch.md. Call `check` first.
library HeaderLib {
    using Words for bytes;

    bytes32 internal constant TAG = "cryptlet-fabric/header/v1";
    bytes32 internal constant NAME = "header";
    uint256 internal constant MAX_RECORDS = 1024;
    bytes32 private constant TYPE_HASH =
        keccak256("Header(bytes32 destination,uint256 epoch,uint256 count,bytes32 root)");

    /// @dev Refuses anything but a header: length, tag, and the range of the two integers.
    function check(bytes calldata header) internal pure {
        header.check(TAG, 5, NAME);
        header.uint64At(2, NAME);
        header.uint64At(3, NAME);
    }

    function destination(bytes calldata header) internal pure returns (DestinationId) {
        return DestinationId.wrap(header.wordAt(1));
    }

    function epoch(bytes calldata header) internal pure returns (uint64) {
        return header.uint64At(2, NAME);
    }

    function count(bytes calldata header) internal pure returns (uint64) {
        return header.uint64At(3, NAME);
    }

    function root(bytes calldata header) internal pure returns (bytes32) {
        return header.wordAt(4);
    }

    function batchId(bytes calldata header) internal pure returns (BatchId) {
        return BatchId.wrap(sha256(header));
    }

    /// @dev Returns the EIP-712 struct hash; the tag is no field of the struct.
    function structHash(bytes calldata header) internal pure returns (bytes32) {
        return keccak256(bytes.concat(TYPE_HASH, header[32:]));
    }
}
