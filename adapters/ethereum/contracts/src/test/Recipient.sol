// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {BatchId} from "../types/Ids.sol";

/// @title A recipient that consumes every record that is meant for it and does nothing else
contract Recipient {
    ISettlement private immutable settlement;

    constructor(ISettlement settlement_) {
        settlement = settlement_;
    }

    function consume(
        bytes calldata record,
        bytes calldata,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) external {
        settlement.consume(record, batchId, index, path);
    }
}
