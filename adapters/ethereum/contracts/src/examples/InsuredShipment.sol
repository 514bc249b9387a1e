// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MessageSender} from "../MessageSender.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ChannelId, MessageId} from "../types/Ids.sol";
import {MessageState, Outcome} from "../types/Mail.sol";
import {ShipmentContract} from "./ShipmentContract.sol";

/// @title A shipment whose rejection is claimed, in the same call, from insurers on other ledgers
/// @notice Every claim locks a deposit. It is spent once the claim is known to be delivered, and free again once the
/// claim is known to have expired.
contract InsuredShipment is ShipmentContract, MessageSender {
    /// @dev Where claims go.
    struct Route {
        ChannelId channel;
        uint64 patience;
    }

    /// @dev A claim, and how far its message is.
    struct Claim {
        MessageId message;
        MessageState state;
    }

    /// @notice Thrown when a route has no time for delivery, is there already, or is one too many
    error BadRoute(ChannelId channel);

    /// @notice Thrown when what is free does not cover the deposits of the claims, or a withdrawal
    error NotFunded(uint256 free, uint256 needed);

    /// @notice Thrown when the withdrawn ether was not taken
    error NotPaid();

    /// @notice Emitted when ether came in
    event Funded(address indexed from, uint256 amount);

    /// @notice Emitted when a claim was sent and its deposit locked
    event Claimed(MessageId indexed message, ChannelId indexed channel, bytes32 indexed fileDigest, uint256 deposit);

    /// @notice Emitted when a claim was delivered
    event DepositSpent(MessageId indexed message, uint256 deposit);

    /// @notice Emitted when a claim expired
    event DepositReleased(MessageId indexed message, uint256 deposit);

    /// @notice Wei that a claim locks
    uint256 public constant DEPOSIT = 0.01 ether;
    /// @notice More routes would make a rejection too expensive
    uint256 public constant MAX_ROUTES = 8;

    /// @notice Wei that no claim binds
    uint256 public free;
    /// @notice Wei of claims whose outcome is not known
    uint256 public locked;
    /// @notice Wei of claims that were delivered; they stay here
    uint256 public spent;
    Route[] private _routes;
    MessageId[] private sent;

    constructor(ISettlement settlement_, bytes32 measurement_, bytes32 allowedCaller_)
        ShipmentContract(settlement_, measurement_, allowedCaller_)
        MessageSender(settlement_)
    {}

    /// @notice Gives ether for deposits
    function fund() external payable {
        free += msg.value;
        emit Funded(msg.sender, msg.value);
    }

    /// @notice Pays out to the deployer what no claim binds
    function withdraw(uint256 amount) external onlyDeployer {
        if (amount > free) revert NotFunded(free, amount);
        free -= amount;
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert NotPaid();
    }

    /// @notice Opens a channel and sends a claim over it for every rejection from now on
    /// @param channel the ten words of a channel, of which this contract is an end
    /// @param patience seconds from the rejection until the claim expires
    function openRoute(bytes calldata channel, uint64 patience) external onlyDeployer {
        ChannelId id = _open(channel);
        if (patience == 0 || _routes.length == MAX_ROUTES) revert BadRoute(id);
        for (uint256 index; index < _routes.length; ++index) {
            if (ChannelId.unwrap(_routes[index].channel) == ChannelId.unwrap(id)) revert BadRoute(id);
        }
        _routes.push(Route(id, patience));
    }

    /// @notice Returns where claims go
    function routes() external view returns (Route[] memory) {
        return _routes;
    }

    /// @notice Returns all claims in the order in which they were sent
    function claims() external view returns (Claim[] memory all) {
        all = new Claim[](sent.length);
        for (uint256 index; index < all.length; ++index) {
            all[index] = Claim(sent[index], mailbox.messageOf(sent[index]).state);
        }
    }

    function _onJudged(bytes32 fileDigest_, Judgement memory judgement) internal override {
        uint256 needed = judgement.accepted ? 0 : DEPOSIT * _routes.length;
        if (needed == 0) return;
        // Reverting leaves the record unspent: it can be brought again once there is ether for the claims.
        if (needed > free) revert NotFunded(free, needed);
        (free, locked) = (free - needed, locked + needed);
        bytes memory body = abi.encode(
            fileDigest_, judgement.excursions, judgement.secondsOutOfRange, judgement.meanKineticMilliCelsius
        );
        for (uint256 index; index < _routes.length; ++index) {
            Route memory route = _routes[index];
            MessageId message = _send(route.channel, body, uint64(block.timestamp) + route.patience);
            sent.push(message);
            emit Claimed(message, route.channel, fileDigest_, DEPOSIT);
        }
    }

    function _onAcknowledged(MessageId message, Outcome outcome, bytes calldata) internal override {
        locked -= DEPOSIT;
        if (outcome == Outcome.Delivered) {
            spent += DEPOSIT;
            emit DepositSpent(message, DEPOSIT);
        } else {
            free += DEPOSIT;
            emit DepositReleased(message, DEPOSIT);
        }
    }
}
