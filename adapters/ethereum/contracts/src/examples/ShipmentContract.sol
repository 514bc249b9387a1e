// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ContractCryptlet} from "../ContractCryptlet.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {InvocationId} from "../types/Ids.sol";
import {ColdChain} from "../libraries/ColdChain.sol";

/// @title A refrigerated pharma shipment, judged by the cryptlet `cold_chain` from its temperature logger's file
contract ShipmentContract is ContractCryptlet {
    /// @dev What was judged of a logger file: those fields of the cryptlet's verdict that the contract keeps; one slot.
    struct Judgement {
        bool judged;
        bool accepted;
        int64 meanKineticMilliCelsius;
        uint64 secondsOutOfRange;
        uint64 excursions;
    }

    /// @notice Thrown when a payload is not the four words of a verdict
    error BadPayload(uint256 length);

    /// @notice Emitted when judgement of a logger file is asked for
    event JudgementRequested(bytes32 indexed fileDigest, InvocationId indexed invocation);

    /// @notice Emitted when a logger file has been judged
    event Judged(
        bytes32 indexed fileDigest,
        bool accepted,
        int64 meanKineticMilliCelsius,
        uint64 secondsOutOfRange,
        uint64 excursions
    );

    /// @notice Names the cryptlet's method `judge`
    bytes32 public constant JUDGE = ColdChain.JUDGE;
    uint256 private constant PAYLOAD_BYTES = 4 * 32;

    /// @notice SHA-256 of the logger file for which judgement was last asked
    bytes32 public fileDigest;
    mapping(bytes32 fileDigest => Judgement) private judgements;

    constructor(ISettlement settlement_, bytes32 measurement_, bytes32 allowedCaller_)
        ContractCryptlet(settlement_, measurement_, allowedCaller_)
    {}

    /// @notice Stores the digest of a logger file and asks for its judgement
    /// @return invocation the id under which the answer will come
    function requestJudgement(bytes32 fileDigest_) external onlyDeployer returns (InvocationId invocation) {
        fileDigest = fileDigest_;
        invocation = _request(JUDGE, fileDigest_);
        emit JudgementRequested(fileDigest_, invocation);
    }

    /// @notice Returns what was judged of a logger file
    function judgementOf(bytes32 fileDigest_) external view returns (Judgement memory) {
        return judgements[fileDigest_];
    }

    function _isMethod(bytes32 method) internal pure override returns (bool) {
        return method == JUDGE;
    }

    function _apply(bytes32, bytes32 input, bytes calldata payload) internal override {
        if (payload.length != PAYLOAD_BYTES) revert BadPayload(payload.length);
        // The words of ColdChain.JudgeOutput, read into narrower types; a value that does not fit reverts.
        (bool accepted, int64 mean, uint64 outOfRange, uint64 excursions) =
            abi.decode(payload, (bool, int64, uint64, uint64));
        Judgement memory judgement = Judgement(true, accepted, mean, outOfRange, excursions);
        judgements[input] = judgement;
        emit Judged(input, accepted, mean, outOfRange, excursions);
        _onJudged(input, judgement);
    }

    /// @dev What else a judgement does, in the same call.
    function _onJudged(bytes32 fileDigest_, Judgement memory judgement) internal virtual {}
}
