// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Deployment} from "./Deployment.sol";
import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {AttestationLib} from "./libraries/AttestationLib.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";
import {DestinationId, KeyId} from "./types/Ids.sol";
import {Key, KeyState} from "./types/Stored.sol";

/// @title The registry of enclaves' keys
/// @dev The counterpart of the enclave registry in fabric/ledger/rules; the shared vectors hold both equal.
abstract contract EnclaveRegistry is Deployment {
    using AttestationLib for bytes;

    /// @dev More than this is no result that fabric/trust would make.
    uint256 private constant MAX_DESTINATIONS = 64;

    /// @inheritdoc IEnclaveRegistry
    uint256 public immutable override threshold;
    /// @inheritdoc IEnclaveRegistry
    mapping(address account => bool) public override isAppraiser;
    /// @inheritdoc IEnclaveRegistry
    mapping(KeyId id => address) public override accountOf;
    mapping(address account => Key) private keys;
    /// @inheritdoc IEnclaveRegistry
    mapping(bytes32 measurement => uint64) public override revokedSince;

    /// @param appraisers accounts in strictly ascending order, never to change
    /// @param threshold_ how many of them must sign
    constructor(address[] memory appraisers, uint256 threshold_) {
        if (threshold_ == 0 || threshold_ > appraisers.length) revert BadThreshold(threshold_, appraisers.length);
        threshold = threshold_;
        address last;
        // Starting from zero, the order keeps out the account that stands for no key.
        for (uint256 index; index < appraisers.length; ++index) {
            if (appraisers[index] <= last) revert BadOrder(appraisers[index]);
            last = appraisers[index];
            isAppraiser[last] = true;
        }
    }

    /// @inheritdoc IEnclaveRegistry
    function register(bytes calldata result, bytes32[] calldata destinations, bytes[] calldata signatures)
        external
        override
        onOwnChain
    {
        (address account, Key memory key) = result.read();
        Key storage known = keys[account];
        if (known.result == key.result) return;
        _checkDestinations(result.destinations(), destinations);
        _checkValidity(key.notBefore, key.notAfter);
        _checkQuorum(result.structHash(), signatures);
        if (known.state > KeyState.Active) revert KeyRevoked(known.id);
        if (known.state == KeyState.Active && key.notAfter <= known.notAfter) return;
        keys[account] = key;
        accountOf[key.id] = account;
        emit Registered(key.id, key.result, key.epoch, key.assurance, key.notAfter);
    }

    /// @inheritdoc IEnclaveRegistry
    function setKeyStatus(bytes calldata status, bytes[] calldata signatures) external override onOwnChain {
        (address account, KeyState state, uint64 deadline) = status.readStatus();
        Key storage known = keys[account];
        if (known.state == KeyState.Unknown) revert UnknownKey(account);
        if (known.state == state && known.deadline == deadline) return;
        _checkQuorum(status.statusStructHash(), signatures);
        if (state <= known.state) revert BadTransition(known.state, state);
        known.state = state;
        known.deadline = deadline;
        emit KeyStatusSet(known.id, state, deadline);
    }

    /// @inheritdoc IEnclaveRegistry
    function revokeCode(bytes calldata revocation, bytes[] calldata signatures) external override onOwnChain {
        (bytes32 measurement, uint64 since) = revocation.readRevocation();
        uint64 stored = revokedSince[measurement];
        if (stored != 0 && stored <= since) return;
        _checkQuorum(revocation.revocationStructHash(), signatures);
        revokedSince[measurement] = since;
        emit CodeRevocationSet(measurement, since);
    }

    /// @inheritdoc IEnclaveRegistry
    function keyOf(address account) external view override returns (Key memory) {
        return keys[account];
    }

    /// @inheritdoc IEnclaveRegistry
    function keyState(KeyId id) external view override returns (KeyState) {
        Key storage known = keys[accountOf[id]];
        // A renewal may bring another Ed25519 key for the same account.
        return known.id == id ? known.state : KeyState.Unknown;
    }

    /// @dev Returns the keys behind an account, if they may settle now.
    function _settlingKey(address account) internal view returns (Key storage key) {
        key = keys[account];
        KeyState state = key.state;
        if (state == KeyState.Unknown) revert UnknownKey(account);
        if (state == KeyState.Revoked) revert KeyRevoked(key.id);
        _checkValidity(key.notBefore, key.notAfter);
        if (state == KeyState.Retired && block.timestamp > key.deadline) {
            revert KeyRetired(block.timestamp, key.deadline);
        }
    }

    /// @dev Refuses code that was revoked when its batch was settled; what was settled before stays good.
    function _checkCode(bytes32 measurement, uint64 settledAt) internal view {
        uint64 since = revokedSince[measurement];
        if (since != 0 && settledAt >= since) revert CodeRevoked(measurement, since);
    }

    /// @dev Counts appraisers among the signers; strictly ascending order makes them distinct.
    function _checkQuorum(bytes32 structHash, bytes[] calldata signatures) private view {
        bytes32 digest = SignatureLib.typedDigest(SignatureLib.plainDomainSeparator(), structHash);
        (address last, uint256 valid) = (address(0), 0);
        for (uint256 index; index < signatures.length; ++index) {
            address signer = SignatureLib.recover(digest, signatures[index]);
            if (signer <= last) revert BadOrder(signer);
            last = signer;
            if (isAppraiser[signer]) ++valid;
        }
        if (valid < threshold) revert QuorumMissing(valid, threshold);
    }

    function _checkValidity(uint256 notBefore, uint256 notAfter) private view {
        if (block.timestamp < notBefore) revert NotYetValid(block.timestamp, notBefore);
        if (block.timestamp > notAfter) revert AttestationExpired(block.timestamp, notAfter);
    }

    function _checkDestinations(bytes32 digest, bytes32[] calldata destinations) private view {
        if (destinations.length > MAX_DESTINATIONS) revert Malformed("destinations");
        bool named;
        for (uint256 index; index < destinations.length; ++index) {
            if (DestinationId.wrap(destinations[index]) == destinationId) named = true;
        }
        bool listed = sha256(abi.encodePacked(destinations)) == digest;
        if (!named || !listed) revert WrongDestination(DestinationId.wrap(digest));
    }
}
