"""The contracts' functions and events as the client calls and reads them; a test holds them to the artefact."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from adapters.ethereum.destination import SETTLED
from adapters.ethereum.told import DELIVERED, EXPIRED
from fabric.core.errors import Malformed
from fabric.trust.message import Ending

__all__ = ["CONSUMED", "DELIVERED", "EXPIRED", "REGISTERED", "REQUESTED", "SETTLED", "Function"]


@dataclass(frozen=True)
class Function:
    """A function of a contract.

    Attributes:
        signature: canonical signature, ``settle(bytes,bytes)``; no tuples.
        returns: ABI types of what it returns.
    """

    signature: str
    returns: tuple[str, ...] = ()

    @cached_property
    def selector(self) -> bytes:
        """The first four bytes of its call data."""
        return keccak(self.signature.encode())[:4]

    def call(self, *values: object) -> bytes:
        """Returns the call data."""
        inner = self.signature[self.signature.index("(") + 1 : -1]
        return self.selector + encode(inner.split(",") if inner else [], values)

    def read(self, result: bytes) -> tuple[object, ...]:
        """Returns what a call returned; raises ``Malformed``."""
        try:
            return tuple(decode(self.returns, result))
        except (DecodingError, ValueError, OverflowError) as error:
            raise Malformed(self.signature, f"result of another form: {error}") from error


SETTLE: Final = Function("settle(bytes,bytes)")
REGISTER: Final = Function("register(bytes,bytes32[],bytes[])")
REVOKE_CODE: Final = Function("revokeCode(bytes,bytes[])")
CONSUME: Final = Function("consume(bytes,bytes,bytes32,uint256,bytes32[])")
"""Of the recipient contract, which calls the settlement contract's."""
DELIVER: Final = Function("deliver(bytes,bytes,bytes32,uint256,bytes32[])")
ACKNOWLEDGE: Final = Function("acknowledge(bytes,bytes,bytes32,uint256,bytes32[])")
EXPIRE: Final = Function("expire(bytes)")
VERIFY: Final = Function("verify(bytes,bytes32,uint256,bytes32[])", ("bool",))
IS_SETTLED: Final = Function("settled(bytes32)", ("bool",))
IS_SPENT: Final = Function("spent(bytes32)", ("bool",))
REVOKED_SINCE: Final = Function("revokedSince(bytes32)", ("uint64",))
KEY_STATE: Final = Function("keyState(bytes32)", ("uint8",))
KEY_OF: Final = Function(
    "keyOf(address)",
    ("bytes32", "uint8", "uint8", "uint64", "uint64", "uint64", "uint64", "bytes32", "bytes32"),
)
KEY_OF_RESULT: Final = 8
"""Place of the attestation result's digest in what ``keyOf`` returns."""
THRESHOLD: Final = Function("threshold()", ("uint256",))
IS_APPRAISER: Final = Function("isAppraiser(address)", ("bool",))
DESTINATION_ID: Final = Function("destinationId()", ("bytes32",))
REQUEST_COUNT: Final = Function("requestCount()", ("uint64",))
MAILBOX_COUNT: Final = Function("mailboxCount()", ("uint64",))
DELIVERY_OF: Final = Function("deliveryOf(bytes32)", ("uint8", "uint64"))
DELIVERED_OUTCOME: Final = 1
EXPIRED_OUTCOME: Final = 2
MESSAGE_OF: Final = Function("messageOf(bytes32)", ("uint8", "uint64", "uint64"))
CLOSED_STATES: Final = {Ending.DELIVERED: 2, Ending.EXPIRED: 3}
"""States of a message at its source: acknowledged, refunded."""

REGISTERED: Final = keccak(b"Registered(bytes32,bytes32,uint64,uint8,uint64)")
CODE_REVOCATION_SET: Final = keccak(b"CodeRevocationSet(bytes32,uint64)")
CONSUMED: Final = keccak(b"Consumed(bytes32,bytes32,bytes32,address)")
ACKNOWLEDGED: Final = keccak(b"Acknowledged(bytes32,uint8,bytes)")
REQUESTED: Final = keccak(b"Requested(uint64,bytes32,address,uint64,bytes32,bytes32,bytes32,uint64)")
REQUESTED_DATA: Final = ("uint64", "bytes32", "bytes32", "bytes32", "uint64")
"""Arguments of ``Requested`` that are no topics: nonce, method, input, binding, state version."""
