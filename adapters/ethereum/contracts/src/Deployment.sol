// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "./interfaces/ISettlement.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";
import {Words} from "./libraries/Words.sol";
import {DestinationId} from "./types/Ids.sol";

/// @title What names this deployment: a reset or forked ledger is another destination
abstract contract Deployment is ISettlement {
    bytes32 private constant TAG = "cryptlet-fabric/destination/v1";
    bytes32 private constant KIND = "ethereum";

    /// @inheritdoc ISettlement
    DestinationId public immutable override destinationId;
    /// @inheritdoc ISettlement
    bytes32 public immutable override genesis;
    /// @inheritdoc ISettlement
    bytes32 public immutable override salt;
    /// @inheritdoc ISettlement
    bytes32 public immutable override domainSeparator;
    uint256 private immutable chainId;

    /// @param genesis_ hash of the genesis block, which a contract cannot read; whoever opens the deployment compares
    /// @param salt_ random
    constructor(bytes32 genesis_, bytes32 salt_) {
        genesis = genesis_;
        salt = salt_;
        chainId = block.chainid;
        domainSeparator = SignatureLib.domainSeparator(block.chainid, address(this), salt_);
        destinationId = DestinationId.wrap(
            sha256(abi.encode(TAG, KIND, block.chainid, genesis_, Words.pad(address(this)), salt_))
        );
    }

    /// @dev On a fork with a chain id of its own the two sides would share one destination id, and an intent could be
    /// spent on both. The side with the new id stops.
    modifier onOwnChain() {
        if (block.chainid != chainId) revert WrongChain(block.chainid);
        _;
    }
}
