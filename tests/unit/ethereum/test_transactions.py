"""Transactions written by hand are byte for byte those of a general library."""

from dataclasses import replace

import coincurve
import pytest
import rlp
from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum.transactions import Eip1559, decode, transaction_hash
from fabric.core.errors import Malformed
from fabric.signers.transactions import parse_transaction, sign_transaction, write_transaction
from tests.support.evm import RELAYER

PLAIN = Eip1559(31337, 7, 10**9, 3 * 10**9, 90_000, bytes(range(20)), 0, b"\1\2\3")


@pytest.mark.parametrize(
    "transaction",
    [
        PLAIN,
        replace(PLAIN, nonce=0, value=5, data=b""),
        replace(PLAIN, to=b"", data=bytes(range(256))),
        replace(PLAIN, chain_id=2**63, nonce=128, priority_fee=0, max_fee=0),
    ],
    ids=["call", "value", "creation", "edges"],
)
async def test_bytes_are_those_of_eth_account(transaction: Eip1559) -> None:
    fields = {
        "type": 2,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "maxPriorityFeePerGas": transaction.priority_fee,
        "maxFeePerGas": transaction.max_fee,
        "gas": transaction.gas,
        "value": transaction.value,
        "data": transaction.data,
    }
    if transaction.to:
        fields["to"] = to_checksum_address(transaction.to)
    theirs = Account.from_key(RELAYER.keys.secp256k1_secret).sign_transaction(fields)
    ours = await RELAYER.sign(transaction)
    assert ours == bytes(theirs.raw_transaction)
    assert transaction_hash(ours) == theirs.hash.to_0x_hex()
    assert decode(ours) == transaction
    key = coincurve.PrivateKey(RELAYER.keys.secp256k1_secret)
    assert sign_transaction(parse_transaction(write_transaction(transaction)), key) == ours, "the key process"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02",
        b"\x01" + rlp.encode([b""] * 12),
        b"\x02" + rlp.encode([b""] * 11),
        b"\x02" + rlp.encode([b""] * 12),
        b"\x02" + rlp.encode([*[b"\1"] * 5, b"\1" * 20, *[b""] * 2, [[b"\1" * 20, []]], *[b""] * 3]),
        b"\x02" + rlp.encode([*[b"\1"] * 5, b"\1" * 19, *[b""] * 2, [], *[b""] * 3]),
        b"\x02" + rlp.encode([b"\0\1", *[b"\1"] * 4, b"\1" * 20, *[b""] * 2, [], *[b""] * 3]),
        b"\x02" + rlp.encode([[], *[b"\1"] * 4, b"\1" * 20, *[b""] * 2, [], *[b""] * 3]),
    ],
    ids=["empty", "bare", "type", "short", "no-list", "access", "address", "long-integer", "list"],
)
def test_what_is_no_transaction_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_transaction_or_malformed(raw: bytes) -> None:
    for candidate in (raw, b"\x02" + raw):
        try:
            decode(candidate)
        except Malformed:
            continue
