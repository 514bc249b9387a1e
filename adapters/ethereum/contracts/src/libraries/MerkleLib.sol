// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title Inclusion in an RFC 6962 Merkle tree over SHA-256
/// @dev The counterpart of fabric/trust/merkle.py, verified as RFC 9162 section 2.1.3.2 says. A proof of the wrong
/// length is refused, so every accepted proof is unique.
library MerkleLib {
    /// @dev Returns SHA-256(0x00 || entry).
    function leafHash(bytes calldata entry) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"00", entry));
    }

    /// @dev Returns SHA-256(0x01 || left || right).
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"01", left, right));
    }

    /// @dev Says whether the leaf stands at `index` in the tree of `size` leaves with this root.
    function isIncluded(bytes32 root, uint256 size, bytes32 leaf, uint256 index, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        if (index >= size) return false;
        bytes32 node = leaf;
        uint256 last = size - 1;
        for (uint256 step; step < path.length; ++step) {
            if (last == 0) return false;
            if (index & 1 == 1 || index == last) {
                node = nodeHash(path[step], node);
                while (index & 1 == 0 && index != 0) (index, last) = (index >> 1, last >> 1);
            } else {
                node = nodeHash(node, path[step]);
            }
            (index, last) = (index >> 1, last >> 1);
        }
        return last == 0 && node == root;
    }
}
