// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {DestinationId} from "./Ids.sol";

/// @dev How an event of the other ledger was shown to an enclave, and the least that an end of a channel accepts.
enum Shown {
    None,
    Proven,
    Asserted
}

/// @dev What became of a message on its destination; the numbers are those of an acknowledgement.
enum Outcome {
    None,
    Delivered,
    Expired
}

/// @dev Life of a message at its source; it only moves forward.
enum MessageState {
    Unknown,
    Sent,
    Acknowledged,
    Refunded
}

/// @dev What the mailbox keeps of a channel that is open here: four slots. It is open when its time is not zero.
/// @param account the own end's account
/// @param time when it was opened here, Unix seconds
/// @param accepts the least that the other ledger's events must be shown by
/// @param sequence number of the own end's next message
/// @param otherDestination the other ledger
/// @param otherAccount the other end's account
/// @param binding version of the binding of records for the own end
struct Channel {
    address account;
    uint40 time;
    Shown accepts;
    uint48 sequence;
    DestinationId otherDestination;
    bytes32 otherAccount;
    bytes32 binding;
}

/// @dev What the mailbox keeps of a message that was sent here: one slot.
/// @param state how far it is
/// @param sent when it was sent, Unix seconds
/// @param closed when it was acknowledged or refunded, zero before
struct Message {
    MessageState state;
    uint64 sent;
    uint64 closed;
}

/// @dev What the mailbox keeps of a message for this ledger, delivery and tombstone alike: one slot.
/// @param outcome what became of it
/// @param time when, Unix seconds
struct Delivery {
    Outcome outcome;
    uint64 time;
}
