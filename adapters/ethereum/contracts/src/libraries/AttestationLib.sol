// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {Key, KeyState} from "../types/Stored.sol";
import {KeyId} from "../types/Ids.sol";
import {Words} from "./Words.sol";

/// @title What appraisers sign: attestation result (eleven words), key status (five), code revocation (three)
/// @dev The counterpart of fabric/trust/attestation.py and revocation.py; docs/spec/attestation.md. All hold on every
/// ledger.
library AttestationLib {
    using Words for bytes;

    bytes32 internal constant TAG = "cryptlet-fabric/attestation/v1";
    bytes32 internal constant NAME = "attestation";
    bytes32 internal constant STATUS_TAG = "cryptlet-fabric/key-status/v1";
    bytes32 internal constant STATUS_NAME = "key status";
    bytes32 internal constant REVOCATION_TAG = "cryptlet-fabric/code-revoked/v1";
    bytes32 internal constant REVOCATION_NAME = "code revocation";
    uint256 private constant MAX_ASSURANCE = 2;
    bytes32 private constant TYPE_HASH = keccak256(
        "Attestation(bytes32 signingKey,address account,bytes32 fabricMeasurement,bytes32 isolation,"
        "uint256 assurance,uint256 epoch,uint256 notBefore,uint256 notAfter,bytes32 destinations,bytes32 evidence)"
    );
    bytes32 private constant STATUS_TYPE_HASH =
        keccak256("KeyStatus(bytes32 signingKey,address account,uint256 status,uint256 deadline)");
    bytes32 private constant REVOCATION_TYPE_HASH = keccak256("CodeRevocation(bytes32 measurement,uint256 since)");

    /// @dev Reads an attestation result into what the registry keeps, in state active.
    function read(bytes calldata result) internal pure returns (address account, Key memory key) {
        result.check(TAG, 11, NAME);
        account = result.addressAt(2, NAME);
        uint64 assurance = result.uint64At(5, NAME);
        if (assurance > MAX_ASSURANCE || !_isTag(result.wordAt(4))) revert ISettlement.Malformed(NAME);
        key = Key({
            id: KeyId.wrap(sha256(result[32:96])),
            state: KeyState.Active,
            assurance: uint8(assurance),
            notBefore: result.uint64At(7, NAME),
            notAfter: result.uint64At(8, NAME),
            epoch: result.uint64At(6, NAME),
            deadline: 0,
            fabric: result.wordAt(3),
            result: sha256(result)
        });
    }

    /// @dev Reads a key status.
    function readStatus(bytes calldata status)
        internal
        pure
        returns (address account, KeyState state, uint64 deadline)
    {
        status.check(STATUS_TAG, 5, STATUS_NAME);
        account = status.addressAt(2, STATUS_NAME);
        uint64 number = status.uint64At(3, STATUS_NAME);
        if (number != uint64(KeyState.Retired) && number != uint64(KeyState.Revoked)) {
            revert ISettlement.Malformed(STATUS_NAME);
        }
        return (account, KeyState(number), status.uint64At(4, STATUS_NAME));
    }

    /// @dev Reads a code revocation; the time is never zero, which stands for code that is not revoked.
    function readRevocation(bytes calldata revocation) internal pure returns (bytes32 measurement, uint64 since) {
        revocation.check(REVOCATION_TAG, 3, REVOCATION_NAME);
        since = revocation.uint64At(2, REVOCATION_NAME);
        if (since == 0) revert ISettlement.Malformed(REVOCATION_NAME);
        return (revocation.wordAt(1), since);
    }

    /// @dev Returns the digest of the destinations that a result holds for.
    function destinations(bytes calldata result) internal pure returns (bytes32) {
        return result.wordAt(9);
    }

    /// @dev Returns the EIP-712 struct hash of an attestation result; the tag is no field of the struct.
    function structHash(bytes calldata result) internal pure returns (bytes32) {
        return keccak256(bytes.concat(TYPE_HASH, result[32:]));
    }

    /// @dev Returns the EIP-712 struct hash of a key status.
    function statusStructHash(bytes calldata status) internal pure returns (bytes32) {
        return keccak256(bytes.concat(STATUS_TYPE_HASH, status[32:]));
    }

    /// @dev Returns the EIP-712 struct hash of a code revocation.
    function revocationStructHash(bytes calldata revocation) internal pure returns (bytes32) {
        return keccak256(bytes.concat(REVOCATION_TYPE_HASH, revocation[32:]));
    }

    /// @dev Says whether a word is ASCII text, at least one character, zero-padded on the right.
    function _isTag(bytes32 word) private pure returns (bool) {
        bool ended;
        for (uint256 index; index < 32; ++index) {
            uint8 character = uint8(word[index]);
            if (character > 0x7f || (ended && character != 0)) return false;
            if (character == 0) ended = true;
        }
        return word[0] != 0;
    }
}
