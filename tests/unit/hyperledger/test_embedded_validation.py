"""The embedded ledger's validator gives each transaction the code that real peers give it."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.hyperledger.proto import peer_pb2
from tests.support.hl_books import Books, raw_range
from tests.support.hl_cases import CASES, Change, Organisations, Rewritten

Code = peer_pb2.TxValidationCode


def _all(books: Books) -> Organisations:
    return Organisations(books.clock, books.network.authorities, books.network.peers)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books.make(tmp_path)


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
async def test_code(books: Books, change: Change, expected: str) -> None:
    parts = books.parts()
    codes = await books.commit(change(_all(books), parts))
    assert [Code.Name(code) for code in codes] == [expected]
    assert (books.channel.state.values != {}) is (expected == "VALID")
    # What became of it can be asked, wherever its id can be read, and is the same to who reads the blocks anew.
    assert books.again().channel.state == books.channel.state


@pytest.mark.parametrize("part", ["data", "content", "response", "action", "results", "rwset", "events", "extension"])
async def test_an_invalid_transaction_can_be_asked_for(books: Books, part: str) -> None:
    parts = books.parts(spoiled={part: b"\xff"})
    (code,) = await books.commit(parts.envelope())
    found = books.channel.committed(parts.id)
    assert found is not None
    assert (found.code, found.block) == (code, 1)


async def test_duplicates(books: Books) -> None:
    one, other = books.parts().envelope(), books.parts().envelope()
    assert await books.commit(one, other, one) == [Code.VALID, Code.VALID, Code.DUPLICATE_TXID]
    assert await books.commit(one) == [Code.DUPLICATE_TXID]
    # An id that was spent on an invalid transaction is spent.
    stripped = books.parts(peers=[])
    assert await books.commit(stripped.envelope()) == [Code.ENDORSEMENT_POLICY_FAILURE]
    whole = replace(stripped, peers=books.parts().peers)
    assert await books.commit(whole.envelope()) == [Code.DUPLICATE_TXID]


async def test_an_invalid_transaction_takes_no_id_from_a_valid_one_of_its_block(books: Books) -> None:
    parts = books.parts()
    assert await books.commit(replace(parts, peers=[]).envelope(), parts.envelope()) == [
        Code.ENDORSEMENT_POLICY_FAILURE,
        Code.VALID,
    ]


async def test_reads_are_judged_in_the_order_of_the_block(books: Books) -> None:
    await books.commit(books.parts("a", "1").envelope())
    first = books.parts("a", "2", read=[("a", (1, 0))])
    second = books.parts("a", "3", read=[("a", (1, 0))])
    unread = books.parts("a", "4")
    codes = await books.commit(first.envelope(), second.envelope(), unread.envelope())
    assert codes == [Code.VALID, Code.MVCC_READ_CONFLICT, Code.VALID]
    assert await books.commit(books.parts(read=[("a", (2, 2))]).envelope()) == [Code.VALID]


async def test_a_conflict_writes_nothing_that_others_conflict_with(books: Books) -> None:
    lost = books.parts("b", "1", read=[("a", (9, 9))])
    reader = books.parts("c", "1", read=[("b", None)])
    assert await books.commit(lost.envelope(), reader.envelope()) == [Code.MVCC_READ_CONFLICT, Code.VALID]


async def test_ranges(books: Books) -> None:
    await books.commit(books.parts("ra", "1").envelope(), books.parts("rb", "1").envelope())
    seen = [("ra", (1, 0)), ("rb", (1, 1))]
    whole, part = raw_range("r", "s", seen), raw_range("r", "s", seen[:1], exhausted=False)
    same = books.parts("x", "1", ranges=[whole])
    assert await books.commit(same.envelope()) == [Code.VALID]
    # Added, changed and deleted by an earlier transaction of the same block.
    for key, value, last in (("rc", "1", Code.VALID), ("rb", "2", Code.VALID), ("ra", "", Code.PHANTOM_READ_CONFLICT)):
        writer, reader = books.parts(key, value), books.parts("y", "1", ranges=[whole])
        beginning = books.parts("z", "1", ranges=[part])
        codes = await books.commit(writer.envelope(), reader.envelope(), beginning.envelope())
        assert codes == [Code.VALID, Code.PHANTOM_READ_CONFLICT, last]


async def test_deletion(books: Books) -> None:
    await books.commit(books.parts("a", "1").envelope())
    await books.commit(books.parts("a", "").envelope())
    assert books.channel.state.values == {}
    assert await books.commit(books.parts(read=[("a", None)]).envelope()) == [Code.VALID]


def test_another_writing_of_a_certificate_is_the_same_identity(books: Books) -> None:
    peer = books.network.peers["Org1MSP"]
    identify = books.ledger.identities.identify
    again = identify(Rewritten.of(peer).encoded)
    assert again.encoded != peer.encoded
    assert again.key == identify(peer.encoded).key
