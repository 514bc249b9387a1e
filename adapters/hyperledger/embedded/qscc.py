"""The system chaincode ``qscc``: what a peer tells of its ledger."""

from collections.abc import Callable, Sequence
from typing import Final

from adapters.hyperledger.embedded.channel import Channel
from adapters.hyperledger.embedded.hashing import block_hash
from adapters.hyperledger.proto import common_pb2, peer_pb2

NAME: Final = "qscc"
_OK, _ERROR = 200, 500


def query(channel: Channel, args: Sequence[bytes]) -> peer_pb2.Response:
    """Answers a question; the arguments are function, channel, and what the function takes."""
    function = args[0].decode(errors="replace") if args else ""
    if function not in _FUNCTIONS:
        return _refused(f"Requested function {function} not found.")
    if len(args) < 2 or args[1].decode(errors="replace") != channel.name:  # noqa: PLR2004 - function and channel
        return _refused("Invalid chain ID")
    try:
        return peer_pb2.Response(status=_OK, payload=_FUNCTIONS[function](channel, args[2:]))
    except (LookupError, ValueError) as error:
        return _refused(f"Failed to answer {function}: {error!r}")


def _info(channel: Channel, _given: Sequence[bytes]) -> bytes:
    newest = channel.blocks[-1].header
    info = common_pb2.BlockchainInfo(height=channel.height, currentBlockHash=block_hash(newest))
    info.previousBlockHash = newest.previous_hash
    return info.SerializeToString()


def _by_number(channel: Channel, given: Sequence[bytes]) -> bytes:
    number = int(given[0])
    if number < 0:
        raise ValueError("a block's number is not negative")
    return channel.blocks[number].SerializeToString()


def _by_transaction(channel: Channel, given: Sequence[bytes]) -> bytes:
    found = channel.committed(given[0].decode())
    if found is None:
        raise LookupError("no such transaction ID in index")
    return channel.blocks[found.block].SerializeToString()


def _refused(message: str) -> peer_pb2.Response:
    return peer_pb2.Response(status=_ERROR, message=message)


_FUNCTIONS: Final[dict[str, Callable[[Channel, Sequence[bytes]], bytes]]] = {
    "GetChainInfo": _info,
    "GetBlockByNumber": _by_number,
    "GetBlockByTxID": _by_transaction,
}
