"""The chaincode's functions: what they answer, and what they refuse as a whole."""

from dataclasses import replace

import pytest

from adapters.hyperledger.chaincode.contract import Contract
from adapters.hyperledger.genesis import GenesisDocument, name_word
from adapters.hyperledger.names import GENESIS_KEY
from fabric.core import canonical
from fabric.core.clock import FrozenClock
from fabric.core.errors import Malformed, Refused
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.operations import Request
from tests.support.channel import CHAINCODE, CHANNEL, VALID, Channel, genesis
from tests.support.trust_samples import word

NOW = 1_800_000_000
DOCUMENT = genesis()
CALL = encode_call(Request(word("method"), word("input"), word("binding"), 0))  # type: ignore[arg-type]


@pytest.fixture
def channel() -> Channel:
    return Channel(FrozenClock(NOW), DOCUMENT)


def test_founding_answers_the_destination_and_stores_the_document() -> None:
    channel = Channel(FrozenClock(NOW))
    simulation = channel.run(b"found", DOCUMENT.encoded)
    assert simulation.answer.payload == DOCUMENT.destination.id
    assert simulation.writes == {GENESIS_KEY: DOCUMENT.encoded}
    assert (DOCUMENT.destination.chain, DOCUMENT.destination.settlement) == (name_word(CHANNEL), name_word(CHAINCODE))
    assert (DOCUMENT.destination.kind, DOCUMENT.destination.genesis) == ("hyperledger", DOCUMENT.block)


def test_founding_again_with_the_same_document_changes_nothing(channel: Channel) -> None:
    simulation = channel.run(b"found", DOCUMENT.encoded)
    assert simulation.answer.payload == DOCUMENT.destination.id
    assert not simulation.writes


def test_founding_with_another_document_is_refused(channel: Channel) -> None:
    with pytest.raises(Refused, match="another genesis document"):
        channel.run(b"found", replace(DOCUMENT, threshold=1).encoded)


def test_two_foundings_at_once_take_effect_once() -> None:
    channel = Channel(FrozenClock(NOW))
    pair = [channel.run(b"found", each.encoded) for each in (DOCUMENT, replace(DOCUMENT, threshold=1))]
    assert channel.commit(*pair) == [VALID, "MVCC_READ_CONFLICT"]


@pytest.mark.parametrize("field", ["channel", "chaincode"])
def test_a_document_of_another_place_is_refused(field: str) -> None:
    channel = Channel(FrozenClock(NOW))
    with pytest.raises(Refused, match="the genesis document is of"):
        channel.run(b"found", GenesisDocument.parse(DOCUMENT.fields | {field: "other"}).encoded)


@pytest.mark.parametrize("function", [b"apply", b"read"])
@pytest.mark.parametrize("field", ["channel", "chaincode"])
def test_a_transaction_that_asked_another_chaincode_is_refused(channel: Channel, function: bytes, field: str) -> None:
    argument = CALL if function == b"apply" else b"genesis"
    transaction = channel.run(function, argument).transaction
    other = replace(transaction, channel="other") if field == "channel" else replace(transaction, chaincode="other")
    with pytest.raises(Refused, match="the genesis document is of"):
        channel.execute(other)


@pytest.mark.parametrize("arguments", [(b"apply", CALL), (b"read", b"genesis")])
def test_nothing_runs_before_the_founding(arguments: tuple[bytes, ...]) -> None:
    with pytest.raises(Refused, match="no genesis document"):
        Channel(FrozenClock(NOW)).run(*arguments)


@pytest.mark.parametrize("arguments", [(b"apply", CALL), (b"read", b"genesis")])
@pytest.mark.parametrize("apart", [-301, 301])
def test_a_timestamp_beyond_the_skew_is_refused(channel: Channel, arguments: tuple[bytes, ...], apart: int) -> None:
    with pytest.raises(Refused, match="more than 300 s"):
        channel.run(*arguments, time=NOW + apart)


@pytest.mark.parametrize("apart", [-300, 0, 300])
def test_a_timestamp_within_the_skew_is_the_time_of_the_rules(channel: Channel, apart: int) -> None:
    simulation = channel.run(b"apply", CALL, time=NOW + apart)
    assert channel.commit(simulation) == [VALID]
    assert channel.requests[0]["entry"][-64:] == f"{NOW + apart:064x}"  # type: ignore[index]


def test_reading_answers_values_in_their_order(channel: Channel) -> None:
    simulation = channel.run(b"read", b"batch/none", b"genesis", time=NOW + 7)
    assert canonical.decode(simulation.answer.payload) == {
        "destination": DOCUMENT.destination.id.hex(),
        "time": NOW + 7,
        "values": [None, DOCUMENT.encoded.hex()],
    }
    assert simulation.reads == {"genesis": (1, 0), "batch/none": None}
    assert not simulation.writes
    assert simulation.answer.event is None


MANY = tuple(f"key/{number}".encode() for number in range(65))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (b"unknown",),
        (b"found",),
        (b"found", DOCUMENT.encoded, DOCUMENT.encoded),
        (b"found", b"{}"),
        (b"found", DOCUMENT.encoded + b" "),
        (b"apply",),
        (b"apply", b"{}"),
        (b"apply", CALL, CALL + b" "),
        (b"apply", *[CALL] * 65),
        (b"read",),
        (b"read", *MANY),
        (b"read", b""),
        (b"read", b"a b"),
        (b"read", b"\xff"),
        (b"read", b"\0a"),
        (b"read", b"a" * 201),
        (b"read", b"a", b"a"),
    ],
    ids=str,
)
def test_ill_formed_arguments_are_refused(channel: Channel, arguments: tuple[bytes, ...]) -> None:
    with pytest.raises(Malformed):
        channel.run(*arguments)


def test_the_most_calls_of_one_transaction(channel: Channel) -> None:
    simulation = channel.run(b"apply", *[CALL] * 64)
    assert simulation.outcomes == [None] * 64
    assert channel.commit(simulation) == [VALID]
    assert len(channel.requests) == 64


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "cryptlet-fabric/hyperledger-genesis/v2"),
        ("channel", ""),
        ("channel", "Upper"),
        ("channel", "a" * 250),
        ("chaincode", "-a"),
        ("chaincode", "a b"),
        ("chaincode", "a" * 65),
        ("chaincode", "a\n"),
        ("block", "00"),
        ("appraisers", []),
        ("appraisers", DOCUMENT.fields["appraisers"][::-1]),  # type: ignore[index]
        ("threshold", 0),
        ("threshold", 4),
        ("skew", 0),
        ("skew", 3_601),
        ("salt", 1),
        ("extra", 1),
    ],
)
def test_an_ill_formed_document_is_malformed(name: str, value: object) -> None:
    with pytest.raises(Malformed):
        GenesisDocument.parse(DOCUMENT.fields | {name: value})  # type: ignore[arg-type]


def test_a_document_reads_back() -> None:
    assert GenesisDocument.decode(DOCUMENT.encoded) == DOCUMENT


def test_a_contract_keeps_nothing(channel: Channel) -> None:
    assert vars(Contract(channel.clock)) == {"_clock": channel.clock}
