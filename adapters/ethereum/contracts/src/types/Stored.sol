// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {KeyId} from "./Ids.sol";

/// @dev Life of an enclave's keys; it only moves forward. The numbers are those of a key status.
enum KeyState {
    Unknown,
    Active,
    Retired,
    Revoked
}

/// @dev What the registry keeps of an enclave's keys, by account. A settlement reads the first two slots.
/// @param id names both keys
/// @param state life of the keys
/// @param assurance what the evidence rests on: 0 simulated, 1 software, 2 hardware
/// @param notBefore start of validity, Unix seconds
/// @param notAfter end of validity, Unix seconds
/// @param epoch key epoch that every header of these keys carries
/// @param deadline last time at which retired keys settle, Unix seconds
/// @param fabric measurement of the fabric's code that the enclave runs
/// @param result SHA-256 of the attestation result
struct Key {
    KeyId id;
    KeyState state;
    uint8 assurance;
    uint64 notBefore;
    uint64 notAfter;
    uint64 epoch;
    uint64 deadline;
    bytes32 fabric;
    bytes32 result;
}

/// @dev What settlement keeps of a batch: two slots.
/// @param root RFC 6962 tree hash over the records
/// @param account the enclave's account that signed the header
/// @param time when it was settled, Unix seconds; never zero
/// @param count number of records
struct Batch {
    bytes32 root;
    address account;
    uint64 time;
    uint32 count;
}
