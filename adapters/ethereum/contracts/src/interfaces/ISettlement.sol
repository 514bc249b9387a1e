// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "./IEnclaveRegistry.sol";
import {IMailbox} from "./IMailbox.sol";
import {IRequests} from "./IRequests.sol";
import {Batch} from "../types/Stored.sol";
import {BatchId, DestinationId, IntentId, InvocationId, KeyId} from "../types/Ids.sol";

/// @title Settlement of batches and consumption of their records
/// @notice A batch id is settled idempotently and in any order. An intent id is spent once, by the record's recipient,
/// in the call frame of the effect.
interface ISettlement is IEnclaveRegistry, IRequests, IMailbox {
    /// @notice Thrown when bytes are not a structure of the named format
    error Malformed(bytes32 structure);

    /// @notice Thrown when a structure is meant for another destination
    /// @param destination the one it names; of an attestation result, the digest of all that it names
    error WrongDestination(DestinationId destination);

    /// @notice Thrown when the chain id is no longer the one of the deployment: the chain forked
    error WrongChain(uint256 chainId);

    /// @notice Thrown when the number of records is not 1 to 1,024
    error BadCount(uint256 count);

    /// @notice Thrown when no key can have made the signature: length, v, or s in the upper half of the order
    error BadSignature();

    /// @notice Thrown when the header is of another epoch than the keys
    error WrongEpoch(uint256 epoch, uint256 registered);

    /// @notice Thrown when the batch is not settled
    error NotSettled(BatchId batch);

    /// @notice Thrown when the record does not stand at this place of the batch
    error NotIncluded(BatchId batch, uint256 index);

    /// @notice Thrown when the sender is not the record's recipient
    error WrongRecipient(address sender, bytes32 recipient);

    /// @notice Thrown when the record's intent is not the one of its invocation here
    error WrongIntent(IntentId intent);

    /// @notice Thrown when the record is too old to be consumed
    error RecordExpired(uint256 time, uint256 notAfter);

    /// @notice Thrown when the intent was spent before
    error IntentSpent(IntentId intent);

    /// @notice Emitted once for every settled batch
    event Settled(BatchId indexed batch, KeyId indexed key, uint256 count, bytes32 root);

    /// @notice Emitted once for every spent intent
    event Consumed(
        IntentId indexed intent, BatchId indexed batch, InvocationId indexed invocation, address recipient
    );

    /// @notice Anchors a batch; a settled one again changes nothing, whatever the signature
    /// @param header the five words of a header
    /// @param signature the enclave's EIP-712 signature over it
    function settle(bytes calldata header, bytes calldata signature) external;

    /// @notice Spends a record's intent; for its recipient, which acts on it in the same call
    /// @param record the seventeen words of a record
    /// @param batchId the settled batch that holds it
    /// @param index its place in the batch
    /// @param path RFC 6962 audit path, lowest sibling first
    function consume(bytes calldata record, BatchId batchId, uint256 index, bytes32[] calldata path) external;

    /// @notice Says whether a record for this destination stands at this place of a settled batch; it tells what
    /// happened, whatever was revoked since
    function verify(bytes calldata record, BatchId batchId, uint256 index, bytes32[] calldata path)
        external
        view
        returns (bool);

    /// @notice Says whether a batch is settled
    function settled(BatchId batchId) external view returns (bool);

    /// @notice Returns what is kept of a batch; all zero when it is not settled
    function batchOf(BatchId batchId) external view returns (Batch memory);

    /// @notice Says whether an intent is spent
    function spent(IntentId intent) external view returns (bool);

    /// @notice Returns the batch whose record spent an intent, or zero
    function spentBy(IntentId intent) external view returns (BatchId);

    /// @notice Returns the id of this deployment: SHA-256 of tag, kind, chain, genesis, address, salt
    function destinationId() external view returns (DestinationId);

    /// @notice Returns the hash of the chain's genesis block, as the deployer stated it
    function genesis() external view returns (bytes32);

    /// @notice Returns the random word chosen at deployment
    function salt() external view returns (bytes32);

    /// @notice Returns the EIP-712 domain separator of headers
    function domainSeparator() external view returns (bytes32);
}
