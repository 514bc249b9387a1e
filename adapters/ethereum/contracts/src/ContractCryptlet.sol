// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IContractCryptlet} from "./interfaces/IContractCryptlet.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {RecordLib} from "./libraries/RecordLib.sol";
import {RequestLib} from "./libraries/RequestLib.sol";
import {BatchId, DestinationId, InvocationId} from "./types/Ids.sol";

/// @title Base of contracts whose logic is a cryptlet
/// @dev A contract derived from it says which methods it takes (`_isMethod`) and what their results do (`_apply`),
/// and asks with `_request`. See docs/spec/ethereum.md.
abstract contract ContractCryptlet is IContractCryptlet {
    using RecordLib for bytes;

    /// @dev An own request that awaits its answer.
    struct Pending {
        bool exists;
        uint64 nonce;
        uint64 stateVersion;
    }

    /// @inheritdoc IContractCryptlet
    ISettlement public immutable override settlement;
    /// @inheritdoc IContractCryptlet
    bytes32 public immutable override measurement;
    /// @inheritdoc IContractCryptlet
    bytes32 public immutable override allowedCaller;
    /// @inheritdoc IContractCryptlet
    address public immutable override deployer;
    /// @inheritdoc IContractCryptlet
    bytes32 public override binding;
    /// @inheritdoc IContractCryptlet
    uint64 public override stateVersion;
    mapping(InvocationId invocation => Pending) private pending;
    DestinationId private immutable destination;

    /// @param settlement_ the settlement contract of this destination
    /// @param measurement_ the only bundle whose results count
    /// @param allowedCaller_ caller whose invocations count beside this contract's own requests; zero for none
    constructor(ISettlement settlement_, bytes32 measurement_, bytes32 allowedCaller_) {
        settlement = settlement_;
        destination = settlement_.destinationId();
        measurement = measurement_;
        allowedCaller = allowedCaller_;
        deployer = msg.sender;
    }

    /// @dev Functions with it are for the deployer alone.
    modifier onlyDeployer() {
        if (msg.sender != deployer) revert NotDeployer(msg.sender);
        _;
    }

    /// @inheritdoc IContractCryptlet
    function bind(bytes32 version) external override onlyDeployer {
        if (binding != 0) revert AlreadyBound(binding);
        if (version == 0) revert NotBound();
        binding = version;
        emit Bound(version);
    }

    /// @inheritdoc IContractCryptlet
    function consume(
        bytes calldata record,
        bytes calldata payload,
        BatchId batchId,
        uint256 index,
        bytes32[] calldata path
    ) external override {
        RecordLib.check(record);
        _checkLogic(record);
        _checkOrigin(record);
        if (record.stateVersion() != stateVersion) revert WrongStateVersion(record.stateVersion(), stateVersion);
        if (sha256(payload) != record.payload()) revert WrongPayload(sha256(payload), record.payload());
        // The settlement sees this contract as sender, hence as recipient; should the effect revert, so does the spend.
        settlement.consume(record, batchId, index, path);
        uint64 version = ++stateVersion;
        delete pending[record.invocation()];
        _apply(record.method(), record.input(), payload);
        emit Applied(record.invocation(), record.method(), version);
    }

    /// @inheritdoc IContractCryptlet
    function isPending(InvocationId invocation) external view override returns (bool) {
        Pending storage asked = pending[invocation];
        return asked.exists && asked.stateVersion == stateVersion;
    }

    /// @dev Asks for an invocation on the present state. Of several pending requests only the first that is consumed
    /// applies; the others are stale from then on, and whoever still wants them must ask again.
    function _request(bytes32 method, bytes32 input) internal returns (InvocationId invocation) {
        if (binding == 0) revert NotBound();
        if (!_isMethod(method)) revert UnknownMethod(method);
        uint64 nonce = settlement.nonceOf(address(this));
        invocation = settlement.request(method, input, binding, stateVersion);
        pending[invocation] = Pending(true, nonce, stateVersion);
    }

    /// @dev Says whether results of a method may be applied.
    /// @param method SHA-256 of the method's name
    function _isMethod(bytes32 method) internal view virtual returns (bool);

    /// @dev Does what a result says. The intent is spent and the state version counted up before it is called.
    /// @param method SHA-256 of the method's name
    /// @param input SHA-256 of the input bytes
    /// @param payload what the binding's codec made of the output
    function _apply(bytes32 method, bytes32 input, bytes calldata payload) internal virtual;

    function _checkLogic(bytes calldata record) private view {
        if (record.measurement() != measurement) revert WrongMeasurement(record.measurement());
        if (binding == 0 || record.binding() != binding) revert WrongBinding(record.binding(), binding);
        if (!_isMethod(record.method())) revert UnknownMethod(record.method());
    }

    /// @dev The fabric's host chooses the invocation id that an enclave is given, so the id of an own request proves
    /// nothing by itself: it must be the one that commits to the record's method, input and binding.
    function _checkOrigin(bytes calldata record) private view {
        InvocationId invocation = record.invocation();
        Pending memory asked = pending[invocation];
        if (!asked.exists) {
            bytes32 caller = record.caller();
            if (allowedCaller == 0 || caller != allowedCaller) revert UnknownOrigin(invocation, caller);
            return;
        }
        if (asked.stateVersion != stateVersion) revert StaleState(asked.stateVersion, stateVersion);
        InvocationId expected = RequestLib.idOf(
            destination, address(this), asked.nonce, record.method(), record.input(), record.binding()
        );
        if (invocation != expected) revert WrongAnswer(invocation);
    }
}
