// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @dev Names one deployment of the settlement contract on one chain: SHA-256 of six words.
type DestinationId is bytes32;

/// @dev Names one batch: SHA-256 of its header.
type BatchId is bytes32;

/// @dev Names one invocation, whatever the number of its destinations.
type InvocationId is bytes32;

/// @dev Names the one effect of an invocation on one destination.
type IntentId is bytes32;

/// @dev Names the two keys of one enclave: SHA-256 of the Ed25519 key and the padded address.
type KeyId is bytes32;

/// @dev Names a channel between two ledgers: SHA-256 of its words.
type ChannelId is bytes32;

/// @dev Names a message between two ledgers: SHA-256 of its words.
type MessageId is bytes32;

using {sameDestination as ==, otherDestination as !=} for DestinationId global;
using {otherInvocation as !=} for InvocationId global;
using {otherIntent as !=} for IntentId global;
using {sameKey as ==} for KeyId global;

function sameDestination(DestinationId a, DestinationId b) pure returns (bool) {
    return DestinationId.unwrap(a) == DestinationId.unwrap(b);
}

function otherDestination(DestinationId a, DestinationId b) pure returns (bool) {
    return DestinationId.unwrap(a) != DestinationId.unwrap(b);
}

function otherInvocation(InvocationId a, InvocationId b) pure returns (bool) {
    return InvocationId.unwrap(a) != InvocationId.unwrap(b);
}

function otherIntent(IntentId a, IntentId b) pure returns (bool) {
    return IntentId.unwrap(a) != IntentId.unwrap(b);
}

function sameKey(KeyId a, KeyId b) pure returns (bool) {
    return KeyId.unwrap(a) == KeyId.unwrap(b);
}
