// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";

/// @title EIP-712 digests and the accounts that signed them
/// @dev The counterpart of fabric/trust/eip712.py and of `recover_address` in fabric/trust/schemes.py.
library SignatureLib {
    /// @dev Half of the order of secp256k1. Of the two spellings of a signature only the lower is valid (EIP-2).
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    bytes32 private constant DOMAIN_TYPE_HASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    );
    bytes32 private constant PLAIN_DOMAIN_TYPE_HASH = keccak256("EIP712Domain(string name,string version)");
    bytes32 private constant NAME_HASH = keccak256("cryptlet-fabric");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @dev Returns the separator of one settlement contract.
    function domainSeparator(uint256 chainId, address settlement, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE_HASH, NAME_HASH, VERSION_HASH, chainId, settlement, salt));
    }

    /// @dev Returns the separator of statements that hold on every ledger.
    function plainDomainSeparator() internal pure returns (bytes32) {
        return keccak256(abi.encode(PLAIN_DOMAIN_TYPE_HASH, NAME_HASH, VERSION_HASH));
    }

    /// @dev Returns the digest that a key signs.
    function typedDigest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", separator, structHash));
    }

    /// @dev Returns the account that signed a digest; it is never zero. Refuses what no key can have made. A signature
    /// is r || s || v, 65 bytes, s in the lower half of the order, v 27 or 28.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        if (signature.length != 65) revert ISettlement.BadSignature();
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > HALF_ORDER) revert ISettlement.BadSignature();
        // The precompile answers zero for any v but 27 and 28.
        signer = ecrecover(digest, uint8(signature[64]), r, s);
        if (signer == address(0)) revert ISettlement.BadSignature();
    }
}
