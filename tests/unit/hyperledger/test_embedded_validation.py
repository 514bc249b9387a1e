"""The embedded ledger's validator gives each transaction the code that real peers give it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typing_extensions import override

from adapters.hyperledger.embedded.authorities import Authority
from adapters.hyperledger.embedded.identities import Member
from adapters.hyperledger.proto import common_pb2, msp_pb2, peer_pb2, rwset_pb2
from fabric.core.clock import FrozenClock
from tests.support.hl_books import START, Books, Parts, raw_range

Change = Callable[[Books, Parts], bytes]
Code = peer_pb2.TxValidationCode


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books.make(tmp_path)


def _with(**changes: object) -> Change:
    return lambda _books, parts: replace(parts, **changes).envelope()  # type: ignore[arg-type]


def _spoiled(name: str, data: bytes = b"\xff") -> Change:
    return _with(spoiled={name: data})


def _wrong_signature(_books: Books, parts: Parts) -> bytes:
    envelope = common_pb2.Envelope.FromString(parts.envelope())
    envelope.signature = parts.creator.sign(b"another message")
    return envelope.SerializeToString()


def _rogue(books: Books, parts: Parts) -> bytes:
    rogue = Authority.create("Org1MSP", books.clock).member("user", "client")
    return replace(parts, creator=rogue).envelope()


def _roleless(books: Books, parts: Parts) -> bytes:
    return replace(parts, creator=books.authority("Org1MSP").member("user", None)).envelope()


def _expired(books: Books, parts: Parts) -> bytes:
    old = replace(books.authority("Org1MSP"), clock=FrozenClock(START - 3 * 365 * 86_400))
    return replace(parts, creator=old.member("user", "client")).envelope()


def _authority(books: Books, parts: Parts) -> bytes:
    authority = books.authority("Org1MSP")
    return replace(parts, creator=Member("Org1MSP", authority.certificate, authority.key)).envelope()


def _same_peer_twice(books: Books, parts: Parts) -> bytes:
    """The first organisation's peer endorses twice, once under another writing of its certificate."""
    again = Rewritten.of(books.network.peers["Org1MSP"])
    assert books.ledger.identities.identify(again.encoded).msp == "Org1MSP"
    return replace(parts, peers=[parts.peers[0], again]).envelope()


def _client_endorses(books: Books, parts: Parts) -> bytes:
    client = books.authority("Org2MSP").member("user", "client")
    return replace(parts, peers=[parts.peers[0], client]).envelope()


def _two_namespaces_alike(_books: Books, parts: Parts) -> bytes:
    results = rwset_pb2.TxReadWriteSet()
    for _ in range(2):
        results.ns_rwset.add(namespace=parts.chaincode)
    return replace(parts, spoiled={"results": results.SerializeToString()}).envelope()


def _foreign_event(_books: Books, parts: Parts) -> bytes:
    event = peer_pb2.ChaincodeEvent(chaincode_id="another")
    return replace(parts, spoiled={"events": event.SerializeToString()}).envelope()


class Rewritten(Member):
    """Somebody whose certificate is written with a line around it; it is the same certificate."""

    @classmethod
    def of(cls, member: Member) -> "Rewritten":
        return cls(member.msp, member.certificate, member.key)

    @property
    @override
    def encoded(self) -> bytes:
        pem = b"a comment\n" + self.certificate.public_bytes(Encoding.PEM)
        return msp_pb2.SerializedIdentity(mspid=self.msp, id_bytes=pem).SerializeToString()


CASES: dict[str, tuple[Change, str]] = {
    "as it should be": (_with(), "VALID"),
    "envelope is no message": (_spoiled("envelope"), "INVALID_OTHER_REASON"),
    "payload is no message": (_spoiled("payload"), "BAD_PAYLOAD"),
    "channel header is no message": (_spoiled("header"), "BAD_COMMON_HEADER"),
    "signature header is no message": (_spoiled("signer"), "BAD_COMMON_HEADER"),
    "no header": (_spoiled("payload", b""), "BAD_COMMON_HEADER"),
    "type of a message": (_with(type=common_pb2.MESSAGE), "BAD_COMMON_HEADER"),
    "unknown type": (_with(type=77), "BAD_COMMON_HEADER"),
    "epoch": (_with(epoch=1), "BAD_COMMON_HEADER"),
    "no nonce": (_with(nonce=b""), "BAD_COMMON_HEADER"),
    "wrong signature": (_wrong_signature, "BAD_CREATOR_SIGNATURE"),
    "rogue authority": (_rogue, "BAD_CREATOR_SIGNATURE"),
    "no role": (_roleless, "BAD_CREATOR_SIGNATURE"),
    "expired": (_expired, "BAD_CREATOR_SIGNATURE"),
    "authority": (_authority, "BAD_CREATOR_SIGNATURE"),
    "configuration": (_with(type=common_pb2.CONFIG), "INVALID_CONFIG_TRANSACTION"),
    "configuration update": (_with(type=common_pb2.CONFIG_UPDATE), "UNSUPPORTED_TX_PAYLOAD"),
    "wrong id": (_with(transaction="00" * 32), "BAD_PROPOSAL_TXID"),
    "no transaction": (_spoiled("data"), "INVALID_ENDORSER_TRANSACTION"),
    "no action": (_with(actions=0), "INVALID_ENDORSER_TRANSACTION"),
    "two actions": (_with(actions=2), "INVALID_ENDORSER_TRANSACTION"),
    "action is no message": (_spoiled("content"), "INVALID_ENDORSER_TRANSACTION"),
    "response is no message": (_spoiled("response"), "INVALID_ENDORSER_TRANSACTION"),
    "response to another proposal": (_spoiled("response", b""), "INVALID_ENDORSER_TRANSACTION"),
    "another channel": (_with(channel="other"), "TARGET_CHAIN_NOT_FOUND"),
    "header extension is no message": (_spoiled("extension"), "BAD_HEADER_EXTENSION"),
    "header extension without a name": (_spoiled("extension", b""), "INVALID_CHAINCODE"),
    "chaincode action is no message": (_spoiled("action"), "BAD_RESPONSE_PAYLOAD"),
    "results are no message": (_spoiled("results"), "BAD_RWSET"),
    "read-write set is no message": (_spoiled("rwset"), "BAD_RWSET"),
    "one namespace twice": (_two_namespaces_alike, "ILLEGAL_WRITESET"),
    "event is no message": (_spoiled("events"), "INVALID_OTHER_REASON"),
    "event of another chaincode": (_foreign_event, "INVALID_OTHER_REASON"),
    "unknown chaincode": (_with(chaincode="ghost"), "INVALID_CHAINCODE"),
    "no version": (_with(version=""), "INVALID_CHAINCODE"),
    "writes of another chaincode": (_with(namespace="other"), "INVALID_CHAINCODE"),
    "nobody endorses": (_with(peers=[]), "ENDORSEMENT_POLICY_FAILURE"),
    "one peer twice": (_same_peer_twice, "ENDORSEMENT_POLICY_FAILURE"),
    "a client endorses": (_client_endorses, "ENDORSEMENT_POLICY_FAILURE"),
    "read a key that is not there": (_with(read=[("a", (7, 0))]), "MVCC_READ_CONFLICT"),
    "read a range that is not there": (
        lambda _books, parts: replace(parts, ranges=[raw_range("a", "b", [("aa", (7, 0))])]).envelope(),
        "PHANTOM_READ_CONFLICT",
    ),
}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
async def test_code(books: Books, change: Change, expected: str) -> None:
    parts = books.parts()
    codes = await books.commit(change(books, parts))
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
