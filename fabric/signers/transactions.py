"""EIP-1559 transactions as the key process signs them: typed fields in, raw bytes out, nothing outside its grant.

The key process encodes the transaction itself, so that what it checked is what it signs.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import coincurve
import rlp
from eth_hash.auto import keccak

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, Refused
from fabric.trust.fields import read_hex, read_object
from fabric.trust.schemes import ADDRESS_BYTES

TYPE: Final = b"\x02"
MAX_DATA_BYTES: Final = 1 << 20
_NUMBERS: Final = ("chain_id", "nonce", "priority_fee", "max_fee", "gas", "value")
_NAMES: Final = frozenset((*_NUMBERS, "to", "data"))
_MAX_HEX: Final = 66


class Eip1559Fields(Protocol):
    """The fields of a transaction of type 2, as an adapter's own type spells them; no access list."""

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        ...

    @property
    def nonce(self) -> int:
        """The sender's transaction counter."""
        ...

    @property
    def priority_fee(self) -> int:
        """Most wei a gas unit for the block's producer."""
        ...

    @property
    def max_fee(self) -> int:
        """Most wei a gas unit in all."""
        ...

    @property
    def gas(self) -> int:
        """Gas limit."""
        ...

    @property
    def to(self) -> bytes:
        """20 bytes; empty creates a contract."""
        ...

    @property
    def value(self) -> int:
        """Wei."""
        ...

    @property
    def data(self) -> bytes:
        """Call data."""
        ...


@dataclass(frozen=True)
class Transaction:
    """What the key process read from a request."""

    chain_id: int
    nonce: int
    priority_fee: int
    max_fee: int
    gas: int
    to: bytes
    value: int
    data: bytes


@dataclass(frozen=True)
class Grant:
    """What an account's key may be used for.

    Attributes:
        chain_id: the only chain.
        allowed: the only addresses a transaction may go to; ``b""`` among them allows creating contracts.
    """

    chain_id: int
    allowed: frozenset[bytes]

    def check(self, transaction: Transaction) -> None:
        """Refuses a transaction outside the grant; it never moves any value.

        Raises:
            Refused: names what is outside.
        """
        if transaction.chain_id != self.chain_id:
            message = f"transaction for chain {transaction.chain_id}, this key signs for {self.chain_id}"
            raise Refused(message)
        if transaction.to not in self.allowed:
            message = f"transaction to 0x{transaction.to.hex()}, which is not on the allow-list"
            raise Refused(message)
        if transaction.value:
            message = f"transaction moves {transaction.value} wei, allowed is 0"
            raise Refused(message)


def write_transaction(fields: Eip1559Fields) -> JsonObject:
    """Returns the fields as a JSON object; integers as hexadecimal text, since wei pass 2**53."""
    value: JsonObject = {name: hex(getattr(fields, name)) for name in _NUMBERS}
    return value | {"to": fields.to.hex(), "data": fields.data.hex()}


def parse_transaction(value: JsonValue) -> Transaction:
    """Reads what ``write_transaction`` writes; raises ``Malformed``."""
    fields = read_object(value, _NAMES, "transaction")
    numbers = {name: _number(fields[name], name) for name in _NUMBERS}
    to, data = read_hex(fields["to"], "transaction.to"), read_hex(fields["data"], "transaction.data")
    if len(to) not in (0, ADDRESS_BYTES):
        raise Malformed("transaction.to", "expected 20 bytes or none")
    if len(data) > MAX_DATA_BYTES:
        raise Malformed("transaction.data", f"at most {MAX_DATA_BYTES} bytes")
    return Transaction(**numbers, to=to, data=data)


def sign_transaction(transaction: Transaction, key: coincurve.PrivateKey) -> bytes:
    """Returns the raw signed transaction (EIP-2718 type 2)."""
    fields = _fields(transaction)
    signature = key.sign_recoverable(keccak(TYPE + rlp.encode(fields)), hasher=None)
    # RLP writes integers without leading zeros.
    parts = (signature[64:], signature[:32], signature[32:64])
    raw: bytes = rlp.encode([*fields, *(part.lstrip(b"\0") for part in parts)])
    return TYPE + raw


def _fields(transaction: Transaction) -> list[bytes | list[bytes]]:
    fees = (transaction.priority_fee, transaction.max_fee, transaction.gas)
    numbers = [_minimal(number) for number in (transaction.chain_id, transaction.nonce, *fees)]
    return [*numbers, transaction.to, _minimal(transaction.value), transaction.data, []]


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _number(value: JsonValue, name: str) -> int:
    try:
        number = int(value, 16) if isinstance(value, str) and len(value) <= _MAX_HEX else -1
    except ValueError:
        number = -1
    if number < 0 or hex(number) != value:
        raise Malformed(f"transaction.{name}", "expected an unsigned integer as hexadecimal text with 0x")
    return number
