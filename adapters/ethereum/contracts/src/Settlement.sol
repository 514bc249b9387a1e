// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Deployment} from "./Deployment.sol";
import {EnclaveRegistry} from "./EnclaveRegistry.sol";
import {Mailbox} from "./Mailbox.sol";
import {Requests} from "./Requests.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {HeaderLib} from "./libraries/HeaderLib.sol";
import {MerkleLib} from "./libraries/MerkleLib.sol";
import {RecordLib} from "./libraries/RecordLib.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";
import {Words} from "./libraries/Words.sol";
import {BatchId, IntentId} from "./types/Ids.sol";
import {Batch, Key} from "./types/Stored.sol";

/// @title The one contract of a destination: enclave registry, requests, settlement, consumption, mailbox
/// @dev The counterpart of fabric/ledger/rules; the shared vectors hold both equal. It has no owner and no upgrade.
contract Settlement is EnclaveRegistry, Requests, Mailbox {
    using RecordLib for bytes;

    mapping(BatchId id => Batch) private batches;
    /// @inheritdoc ISettlement
    mapping(IntentId intent => BatchId) public override spentBy;

    constructor(address[] memory appraisers, uint256 threshold_, bytes32 genesis_, bytes32 salt_)
        Deployment(genesis_, salt_)
        EnclaveRegistry(appraisers, threshold_)
    {}

    /// @inheritdoc ISettlement
    function settle(bytes calldata header, bytes calldata signature) external override onOwnChain {
        HeaderLib.check(header);
        BatchId id = HeaderLib.batchId(header);
        if (settled(id)) return;
        if (HeaderLib.destination(header) != destinationId) revert WrongDestination(HeaderLib.destination(header));
        uint64 count = HeaderLib.count(header);
        if (count == 0 || count > HeaderLib.MAX_RECORDS) revert BadCount(count);
        bytes32 digest = SignatureLib.typedDigest(domainSeparator, HeaderLib.structHash(header));
        address signer = SignatureLib.recover(digest, signature);
        Key storage key = _settlingKey(signer);
        if (HeaderLib.epoch(header) != key.epoch) revert WrongEpoch(HeaderLib.epoch(header), key.epoch);
        batches[id] = Batch(HeaderLib.root(header), signer, uint64(block.timestamp), uint32(count));
        emit Settled(id, key.id, count, HeaderLib.root(header));
    }

    /// @inheritdoc ISettlement
    function consume(bytes calldata record, BatchId batchId, uint256 index, bytes32[] calldata path)
        external
        override
        onOwnChain
    {
        RecordLib.check(record);
        _checkRecord(record, msg.sender, batchId, index, path);
        IntentId intent = record.intent();
        if (spent(intent)) revert IntentSpent(intent);
        spentBy[intent] = batchId;
        emit Consumed(intent, batchId, record.invocation(), msg.sender);
    }

    /// @inheritdoc ISettlement
    function verify(bytes calldata record, BatchId batchId, uint256 index, bytes32[] calldata path)
        external
        view
        override
        returns (bool)
    {
        RecordLib.check(record);
        if (record.destination() != destinationId) return false;
        return settled(batchId) && _isIncluded(record, batchId, index, path);
    }

    /// @inheritdoc ISettlement
    function batchOf(BatchId batchId) external view override returns (Batch memory) {
        return batches[batchId];
    }

    /// @inheritdoc ISettlement
    function spent(IntentId intent) public view override returns (bool) {
        return BatchId.unwrap(spentBy[intent]) != 0;
    }

    /// @inheritdoc ISettlement
    function settled(BatchId batchId) public view override returns (bool) {
        return batches[batchId].time != 0;
    }

    /// @inheritdoc Mailbox
    function _checkRecord(
        bytes calldata record,
        address recipient,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) internal view override {
        if (record.destination() != destinationId) revert WrongDestination(record.destination());
        if (record.recipient() != Words.pad(recipient)) revert WrongRecipient(recipient, record.recipient());
        IntentId intent = record.intent();
        if (intent != RecordLib.intentOf(record.invocation(), destinationId)) revert WrongIntent(intent);
        if (block.timestamp > record.notAfter()) revert RecordExpired(block.timestamp, record.notAfter());
        if (!settled(batchId)) revert NotSettled(batchId);
        if (!_isIncluded(record, batchId, index, path)) revert NotIncluded(batchId, index);
        _checkCode(record.measurement(), batches[batchId].time);
    }

    function _isIncluded(bytes calldata record, BatchId batchId, uint256 index, bytes32[] calldata path)
        private
        view
        returns (bool)
    {
        Batch storage batch = batches[batchId];
        return MerkleLib.isIncluded(batch.root, batch.count, MerkleLib.leafHash(record), index, path);
    }
}
