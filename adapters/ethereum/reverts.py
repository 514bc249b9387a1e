"""Why a contract refused: revert data to the name of the error, as the artefacts' ABIs spell it."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from adapters.ethereum import contracts
from adapters.ethereum.rpc import RpcError

_CONTRACTS: Final = ("Settlement", "ShipmentContract", "InsuredShipment")
_MESSAGE: Final = keccak(b"Error(string)")[:4]
_PANIC: Final = keccak(b"Panic(uint256)")[:4]
_CALL_REVERTED: Final = keccak(b"CallReverted(address,bytes)")[:4]
"""How the mailbox refuses what the contract at the end of a channel refused."""


_EXECUTED: Final = ("revert", "out of gas", "opcode", "stack", "jump")
"""Words by which nodes say how the execution of a call failed."""


def reason(data: bytes) -> str:
    """Returns why a call reverted, for people: the contract's own error first, then that of one that it called."""
    if data[:4] != _CALL_REVERTED:
        return _own_reason(data)
    try:
        account, inner = decode(["address", "bytes"], data[4:])
    except (DecodingError, ValueError, OverflowError):
        return "CallReverted: unreadable"
    return f"CallReverted: {account}: {_own_reason(inner)}"


def is_executed(answer: RpcError) -> bool:
    """Says whether a node executed a call and it failed; one that lacks the state of a block executes nothing."""
    return bool(answer.data) or any(word in answer.message.lower() for word in _EXECUTED)


def _own_reason(data: bytes) -> str:
    """Returns the name of a custom error, the text of a ``require``, or what is known of anything else."""
    selector, rest = data[:4], data[4:]
    if not data:
        return "reverted without a reason"
    if selector == _MESSAGE:
        return f"Error: {_argument('string', rest)}"
    if selector == _PANIC:
        return f"Panic: {_argument('uint256', rest)}"
    return _names().get(selector, f"unknown error 0x{selector.hex()}")


def _argument(kind: str, data: bytes) -> str:
    """Returns an argument for people: a stranger's text commands no terminal."""
    try:
        text = str(decode([kind], data)[0])[:200]
    except (DecodingError, ValueError, OverflowError):
        return "unreadable"
    return "".join(each if each.isprintable() else "?" for each in text)


@cache
def _names() -> dict[bytes, str]:
    return dict(_errors())


def _errors() -> Iterator[tuple[bytes, str]]:
    for name in _CONTRACTS:
        for item in contracts.load(name).abi:
            if item["type"] == "error":
                kinds = ",".join(_kind(each) for each in item["inputs"])
                yield keccak(f"{item['name']}({kinds})".encode())[:4], item["name"]


def _kind(argument: dict[str, Any]) -> str:
    """Returns an argument's canonical type; a struct stands for its members."""
    kind = str(argument["type"])
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(_kind(each) for each in argument["components"])
    return f"({members}){kind.removeprefix('tuple')}"
