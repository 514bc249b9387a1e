"""EIP-712 digests of the three structures that an EVM ledger checks, written out by hand (docs/spec/eip712.md).

Each struct holds only static fields, so its encoding is the type hash followed by one word a field.
"""

from typing import Final

from eth_hash.auto import keccak

from fabric.core.ids import Digest
from fabric.trust.batch import Header
from fabric.trust.destination import Destination

_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
_PLAIN_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version)"
_HEADER_TYPE: Final = b"Header(bytes32 destination,uint256 epoch,uint256 count,bytes32 root)"
NAME: Final = b"cryptlet-fabric"
VERSION: Final = b"1"


def domain_separator(destination: Destination) -> bytes:
    """Returns the separator of one settlement contract: name, version, chain id, contract, salt."""
    words = (destination.chain, destination.settlement, destination.salt)
    return keccak(b"".join((keccak(_DOMAIN_TYPE), keccak(NAME), keccak(VERSION), *words)))


def plain_domain_separator() -> bytes:
    """Returns the separator of statements that hold on every ledger: name and version only."""
    return keccak(b"".join((keccak(_PLAIN_DOMAIN_TYPE), keccak(NAME), keccak(VERSION))))


def typed_digest(separator: bytes, struct_hash: bytes) -> Digest:
    """Returns keccak256(0x1901 || separator || struct hash), EIP-712."""
    return Digest(keccak(b"\x19\x01" + separator + struct_hash))


def struct_hash(type_string: bytes, encoded: bytes) -> bytes:
    """Returns keccak256(type hash || words).

    ``encoded`` is a structure of ours with its tag cut off.
    """
    return keccak(keccak(type_string) + encoded)


def header_digest(header: Header, destination: Destination) -> Digest:
    """Returns what a secp256k1 key signs for a batch header at an EVM destination."""
    return typed_digest(domain_separator(destination), struct_hash(_HEADER_TYPE, header.encoded[32:]))
