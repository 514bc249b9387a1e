// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMailbox} from "../interfaces/IMailbox.sol";

/// @title Calls to accounts that nobody vouches for
/// @dev What the account answers is copied only up to a bound, so that it cannot make its caller pay for megabytes;
/// what it costs to make them is spent in its own frame.
library CallLib {
    uint256 private constant SIZE = 32;
    /// @dev More of a revert reason is cut off.
    uint256 private constant MAX_REASON = 1024;

    /// @dev Calls a contract that answers nothing, or whose answer does not matter. Without code nothing is called.
    function tell(address account, bytes memory data) internal {
        if (account.code.length != 0) _call(account, data);
    }

    /// @dev Calls a contract that answers `bytes`, at most `limit` of them. Without code the answer is empty.
    function ask(address account, bytes memory data, uint256 limit) internal returns (bytes memory) {
        if (account.code.length == 0) return "";
        _call(account, data);
        uint256 size = _returnedSize();
        // The ABI of one dynamic value: where it begins, its length, its bytes.
        bytes memory head = _returned(0, size < 2 * SIZE ? size : 2 * SIZE);
        if (head.length < 2 * SIZE || _word(head, 0) != SIZE) revert IMailbox.BadResult(account);
        uint256 length = _word(head, 1);
        if (length > limit) revert IMailbox.ResultTooLong(length);
        if (size < 2 * SIZE + length) revert IMailbox.BadResult(account);
        return _returned(2 * SIZE, length);
    }

    /// @dev Calls, and refuses under a name of its own what the account reverts with: no reason of a stranger can be
    /// taken for one of the mailbox.
    function _call(address account, bytes memory data) private {
        bool done;
        assembly ("memory-safe") {
            done := call(gas(), account, 0, add(data, 32), mload(data), 0, 0)
        }
        if (done) return;
        uint256 size = _returnedSize();
        revert IMailbox.CallReverted(account, _returned(0, size < MAX_REASON ? size : MAX_REASON));
    }

    function _returnedSize() private pure returns (uint256 size) {
        assembly ("memory-safe") {
            size := returndatasize()
        }
    }

    /// @dev Copies `size` bytes of what the last call returned; the caller has checked that there are so many.
    function _returned(uint256 from, uint256 size) private pure returns (bytes memory copy) {
        copy = new bytes(size);
        assembly ("memory-safe") {
            returndatacopy(add(copy, 32), from, size)
        }
    }

    function _word(bytes memory data, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(data, mul(add(index, 1), 32)))
        }
    }
}
