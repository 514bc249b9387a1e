"""The system chaincode ``qscc``: what a peer tells of its ledger."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from adapters.hyperledger.embedded.channel import Channel
from adapters.hyperledger.embedded.hashing import block_hash
from adapters.hyperledger.embedded.transactions import read_header
from adapters.hyperledger.proto import common_pb2, peer_pb2

NAME: Final = "qscc"
_OK, _ERROR = 200, 500


def query(channel: Channel, args: Sequence[bytes]) -> peer_pb2.Response:
    """Answers a question; the arguments are function, channel, and what the function takes."""
    function, name, *given = [one.decode(errors="replace") for one in args] if len(args) > 1 else ["", ""]
    if len(args) < 2:  # noqa: PLR2004 - function and channel
        return _refused(f"Incorrect number of arguments, {len(args)}")
    if function not in _FUNCTIONS:
        return _refused(f"Requested function {function} not found.")
    if function != "GetChainInfo" and not given:
        return _refused(f"missing 3rd argument for {function}")
    if name != channel.name:
        return _refused(f"Invalid chain ID, {name}")
    try:
        return peer_pb2.Response(status=_OK, payload=_FUNCTIONS[function](channel, given))
    except LookupError as error:
        return _refused(str(error))


def _info(channel: Channel, _given: Sequence[str]) -> bytes:
    newest = channel.blocks[-1].header
    info = common_pb2.BlockchainInfo(height=channel.height, currentBlockHash=block_hash(newest))
    info.previousBlockHash = newest.previous_hash
    return info.SerializeToString()


def _by_number(channel: Channel, given: Sequence[str]) -> bytes:
    if not re.fullmatch(r"[0-9]{1,19}", given[0]):
        raise LookupError(f"Failed to parse block number with error {given[0]!r} is no number")
    number = int(given[0])
    if number >= channel.height:
        raise LookupError(f"Failed to get block number {number}, error no such block number [{number}] in index")
    return channel.blocks[number].SerializeToString()


def _by_transaction(channel: Channel, given: Sequence[str]) -> bytes:
    name = given[0]
    found = channel.committed(name)
    if found is None:
        raise LookupError(f"Failed to get block for txID {name}, error no such transaction ID [{name}] in index")
    return channel.blocks[found.block].SerializeToString()


def _transaction(channel: Channel, given: Sequence[str]) -> bytes:
    name = given[0]
    found = channel.committed(name)
    if found is None:
        raise LookupError(f"Failed to get transaction with id {name}, error no such transaction ID [{name}] in index")
    data = next(one for one in channel.blocks[found.block].data.data if read_header(one).tx_id == name)
    envelope = common_pb2.Envelope.FromString(data)
    return peer_pb2.ProcessedTransaction(transactionEnvelope=envelope, validationCode=found.code).SerializeToString()


def _refused(message: str) -> peer_pb2.Response:
    return peer_pb2.Response(status=_ERROR, message=message)


_FUNCTIONS: Final[dict[str, Callable[[Channel, Sequence[str]], bytes]]] = {
    "GetChainInfo": _info,
    "GetBlockByNumber": _by_number,
    "GetBlockByTxID": _by_transaction,
    "GetTransactionByID": _transaction,
}
