"""What is hashed: block headers and data, transaction ids, proposals (facts of the real ledger's bytes)."""

import hashlib

from adapters.hyperledger.proto import common_pb2

_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04


def sha256(*parts: bytes) -> bytes:
    """Returns the SHA-256 of parts, one behind the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def header_bytes(header: common_pb2.BlockHeader) -> bytes:
    """Returns the DER (X.690) of a block header: a sequence of number, previous hash, data hash."""
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    parts = _element(_INTEGER, number) + _element(_OCTETS, header.previous_hash) + _element(_OCTETS, header.data_hash)
    return _element(_SEQUENCE, parts)


def block_hash(header: common_pb2.BlockHeader) -> bytes:
    """Returns the hash by which the next block names this one."""
    return sha256(header_bytes(header))


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """Returns the id of a transaction."""
    return sha256(nonce, creator).hex()


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:  # noqa: PLR2004 - the short form of X.690, 8.1.3.4
        return bytes((tag, length)) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content
