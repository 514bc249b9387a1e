"""Blocks: how the orderer makes them and signs them, and the hash by which peers find that they agree."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.embedded.hashing import block_hash, header_bytes, sha256
from adapters.hyperledger.embedded.identities import Member
from adapters.hyperledger.embedded.state import Updates
from adapters.hyperledger.proto import common_pb2

SIGNATURES, LAST_CONFIG, FILTER, ORDERER, COMMIT_HASH = range(5)
"""Places of a block's metadata."""
NONCE_BYTES: Final = 24


@dataclass(frozen=True)
class Sealer:
    """Makes blocks in the name of an orderer."""

    orderer: Member

    def first(self, channel: str) -> common_pb2.Block:
        """Returns block 0, which names the channel; it bears no signature, and no random part makes two alike."""
        header = common_pb2.ChannelHeader(type=common_pb2.CONFIG, channel_id=channel)
        signature = common_pb2.SignatureHeader(creator=self.orderer.encoded, nonce=os.urandom(NONCE_BYTES))
        payload = common_pb2.Payload()
        payload.header.channel_header = header.SerializeToString()
        payload.header.signature_header = signature.SerializeToString()
        envelope = common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString()
        block = _block(0, b"", [envelope])
        signed = common_pb2.Metadata(value=_value()).SerializeToString()
        block.metadata.metadata.extend([signed, b"", b"\0", b"", b""])
        return block

    def next(
        self, before: common_pb2.BlockHeader, envelopes: Sequence[bytes], flags: bytes, commitment: bytes
    ) -> common_pb2.Block:
        """Returns the block that follows another one, signed."""
        block = _block(before.number + 1, block_hash(before), envelopes)
        commit = common_pb2.Metadata(value=commitment).SerializeToString()
        block.metadata.metadata.extend([self._signatures(block.header), b"", flags, b"", commit])
        return block

    def _signatures(self, header: common_pb2.BlockHeader) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        signer = common_pb2.SignatureHeader(creator=self.orderer.encoded, nonce=nonce).SerializeToString()
        metadata = common_pb2.Metadata(value=_value())
        signature = self.orderer.sign(metadata.value + signer + header_bytes(header))
        metadata.signatures.add(signature_header=signer, signature=signature)
        return metadata.SerializeToString()


def commit_hash(flags: bytes, updates: Updates, before: bytes) -> bytes:
    """Returns the hash of what a block did: flags, what was written, and the hash before. Its parts are our own."""
    written = [
        _framed(key.namespace.encode())
        + _framed(key.name.encode())
        + (b"\0" if value is None else b"\1" + _framed(value.data))
        for key, value in sorted(updates.items())
    ]
    return sha256(_framed(flags), *written, before)


def commit_hash_of(block: common_pb2.Block) -> bytes:
    """Returns the commit hash that a block bears; block 0 bears none."""
    return common_pb2.Metadata.FromString(block.metadata.metadata[COMMIT_HASH]).value


def _block(number: int, previous: bytes, envelopes: Sequence[bytes]) -> common_pb2.Block:
    header = common_pb2.BlockHeader(number=number, previous_hash=previous, data_hash=sha256(*envelopes))
    return common_pb2.Block(header=header, data=common_pb2.BlockData(data=envelopes))


def _value() -> bytes:
    config = common_pb2.LastConfig()
    value = common_pb2.OrdererBlockMetadata()
    value.last_config.CopyFrom(config)
    return value.SerializeToString()


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data
