"""Transactions: an independent library recovers the sender, and nothing outside the grant is signed."""

import coincurve
import pytest
from eth_account import Account as EthAccount
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum.transactions import Eip1559, decode
from fabric.core.canonical import JsonValue
from fabric.core.errors import Malformed, Refused
from fabric.signers.transactions import (
    Grant,
    Transaction,
    parse_transaction,
    sign_transaction,
    write_transaction,
)
from fabric.trust.schemes import address_of

KEY = coincurve.PrivateKey(bytes(range(1, 33)))
TARGET = b"\x0f" * 20
GRANT = Grant(31337, frozenset({TARGET}))

transactions = st.builds(
    Transaction,
    chain_id=st.integers(1, 2**40),
    nonce=st.integers(0, 2**64 - 1),
    priority_fee=st.integers(0, 2**96),
    max_fee=st.integers(0, 2**96),
    gas=st.integers(0, 2**32),
    to=st.binary(min_size=20, max_size=20),
    value=st.just(0),
    data=st.binary(max_size=200),
)


@given(transactions)
def test_the_raw_transaction_is_what_was_asked_for(transaction: Transaction) -> None:
    raw = sign_transaction(transaction, KEY)
    assert vars(decode(raw)) == vars(transaction)
    sender = EthAccount.recover_transaction(raw)
    assert bytes.fromhex(sender[2:]) == address_of(KEY.public_key.format(compressed=False))


@given(transactions)
def test_fields_survive_the_socket(transaction: Transaction) -> None:
    assert parse_transaction(write_transaction(transaction)) == transaction


def test_an_adapters_own_type_is_taken() -> None:
    fields = Eip1559(31337, 1, 2, 3, 4, TARGET, 0, b"data")
    assert vars(parse_transaction(write_transaction(fields))) == vars(fields)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chain_id": 1}, "chain 1"),
        ({"to": b"\x0e" * 20}, "allow-list"),
        ({"to": b""}, "allow-list"),
        ({"value": 1}, "1 wei"),
    ],
)
def test_the_grant_holds(change: dict[str, object], reason: str) -> None:
    fields: dict[str, object] = {
        "chain_id": 31337,
        "nonce": 0,
        "priority_fee": 1,
        "max_fee": 2,
        "gas": 21_000,
        "to": TARGET,
        "value": 0,
        "data": b"",
    }
    GRANT.check(Transaction(**fields))  # type: ignore[arg-type]
    with pytest.raises(Refused, match=reason):
        GRANT.check(Transaction(**(fields | change)))  # type: ignore[arg-type]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    json_values
    | st.fixed_dictionaries(
        dict.fromkeys(("chain_id", "nonce", "priority_fee", "max_fee", "gas", "value", "to", "data"), json_values)
    )
)
def test_any_value_is_a_transaction_or_malformed(value: JsonValue) -> None:
    try:
        parse_transaction(value)
    except Malformed:
        return
