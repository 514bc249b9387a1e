// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Key, KeyState} from "../types/Stored.sol";
import {KeyId} from "../types/Ids.sol";

/// @title Which enclaves' keys and which code count, by the word of the appraisers pinned at deployment
interface IEnclaveRegistry {
    /// @notice Thrown when appraisers or signers are not in strictly ascending order
    /// @param signer the account that stands where it must not
    error BadOrder(address signer);

    /// @notice Thrown when the threshold is zero or greater than the number of appraisers
    error BadThreshold(uint256 threshold, uint256 appraisers);

    /// @notice Thrown when fewer pinned appraisers than the threshold signed
    error QuorumMissing(uint256 valid, uint256 threshold);

    /// @notice Thrown when no keys are registered for the account
    error UnknownKey(address account);

    /// @notice Thrown when the attestation result is not valid yet
    error NotYetValid(uint256 time, uint256 notBefore);

    /// @notice Thrown when the attestation result is no longer valid
    error AttestationExpired(uint256 time, uint256 notAfter);

    /// @notice Thrown when the keys are revoked, or are retired and someone registers them again
    error KeyRevoked(KeyId key);

    /// @notice Thrown when the deadline of retired keys has passed
    error KeyRetired(uint256 time, uint256 deadline);

    /// @notice Thrown when a key status does not move forward: 1 to 2 to 3, or 1 to 3
    error BadTransition(KeyState from, KeyState to);

    /// @notice Thrown when the record's code was revoked when its batch was settled
    /// @param since first time of settlement whose results do not count
    error CodeRevoked(bytes32 measurement, uint64 since);

    /// @notice Emitted when keys become active, or get a newer attestation result
    event Registered(KeyId indexed key, bytes32 indexed result, uint64 epoch, uint8 assurance, uint64 notAfter);

    /// @notice Emitted when keys retire or are revoked
    event KeyStatusSet(KeyId indexed key, KeyState state, uint64 deadline);

    /// @notice Emitted when code is revoked, or since an earlier time than before
    event CodeRevocationSet(bytes32 indexed measurement, uint64 indexed since);

    /// @notice Makes an enclave's keys active, or renews their attestation; the same result again changes nothing, and
    /// so does one that ends no later than the stored one
    /// @param result the eleven words of an attestation result
    /// @param destinations the destination ids whose digest the result carries, in ascending order
    /// @param signatures EIP-712 signatures of appraisers, in ascending order of the signers; those of others
    /// do not count
    function register(bytes calldata result, bytes32[] calldata destinations, bytes[] calldata signatures) external;

    /// @notice Retires or revokes keys; the same status again changes nothing
    /// @param status the five words of a key status
    /// @param signatures as for `register`
    function setKeyStatus(bytes calldata status, bytes[] calldata signatures) external;

    /// @notice Revokes the results of code from a time of settlement on; the same again and a later time change nothing
    /// @param revocation the three words of a code revocation
    /// @param signatures as for `register`
    function revokeCode(bytes calldata revocation, bytes[] calldata signatures) external;

    /// @notice Returns the first time of settlement whose results of some code do not count, zero when it is not revoked
    function revokedSince(bytes32 measurement) external view returns (uint64);

    /// @notice Returns what is kept of an account's keys; all zero when there are none
    function keyOf(address account) external view returns (Key memory);

    /// @notice Returns the account under which keys were registered, or zero
    function accountOf(KeyId key) external view returns (address);

    /// @notice Returns the state of keys; expiry of their attestation result is not in it
    function keyState(KeyId key) external view returns (KeyState);

    /// @notice Says whether an account is one of the appraisers
    function isAppraiser(address account) external view returns (bool);

    /// @notice Returns how many appraisers must sign
    function threshold() external view returns (uint256);
}
