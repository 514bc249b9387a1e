"""What endorsers answered, compared with what was asked: nothing is signed or believed before it passes.

The gateway of a peer assembles the transaction that a client is to sign. Official clients sign it unseen.
"""

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, peer_pb2, rwset_pb2
from fabric.core.errors import LedgerUnavailable
from fabric.signers.proposals import Endorsed, Endorsement, Invocation

OK: Final = 200
_LIFECYCLE: Final = "_lifecycle"
Version = tuple[int, int]
"""Block and transaction that wrote a value."""


class UntrueAnswer(LedgerUnavailable):
    """A peer answered something else than was asked, or what its endorsers did not sign; nothing was signed."""

    code = "untrue-answer"


@dataclass(frozen=True)
class Answer:
    """An endorsed execution of an invocation.

    Attributes:
        invocation: what was asked.
        endorsed: what the endorsers signed, and their signatures.
        reads: versions of the keys of the chaincode that it read, None where there was no value.
        writes: what it writes, by key.
        event: name and payload of its event, None where it set none.
        payload: the function's answer.
    """

    invocation: Invocation
    endorsed: Endorsed
    reads: dict[str, Version | None]
    writes: dict[str, bytes]
    event: tuple[str, bytes] | None
    payload: bytes


def read_answer(invocation: Invocation, envelope: common_pb2.Envelope) -> Answer:
    """Takes apart the transaction that a gateway prepared, and checks that it is the one that was asked for.

    The endorsers' signatures are not looked at.

    Raises:
        UntrueAnswer: it is not; the text says in what.
    """
    try:
        return _read(invocation, envelope)
    except (DecodeError, ValueError) as error:
        message = f"the prepared transaction is not of its schema: {error}"
        raise UntrueAnswer(message) from error


def _read(invocation: Invocation, envelope: common_pb2.Envelope) -> Answer:
    payload = common_pb2.Payload.FromString(envelope.payload)
    _same(payload.header.channel_header, invocation.channel_header, "channel header")
    _same(payload.header.signature_header, invocation.signature_header, "signature header")
    (action,) = peer_pb2.Transaction.FromString(payload.data).actions
    _same(action.header, invocation.signature_header, "header of the action")
    content = peer_pb2.ChaincodeActionPayload.FromString(action.payload)
    _same(content.chaincode_proposal_payload, invocation.payload, "proposal's payload")
    endorsed = Endorsed(
        content.action.proposal_response_payload,
        tuple(Endorsement(each.endorser, each.signature) for each in content.action.endorsements),
    )
    response = peer_pb2.ProposalResponsePayload.FromString(endorsed.response)
    _same(response.proposal_hash, invocation.digest, "proposal's hash")
    return _done(invocation, endorsed, peer_pb2.ChaincodeAction.FromString(response.extension))


def _done(invocation: Invocation, endorsed: Endorsed, done: peer_pb2.ChaincodeAction) -> Answer:
    if done.chaincode_id.name != invocation.chaincode:
        message = f"executed by chaincode {done.chaincode_id.name!r}, asked was {invocation.chaincode!r}"
        raise UntrueAnswer(message)
    if done.response.status != OK:
        message = f"status {done.response.status}: {done.response.message[:200]}"
        raise UntrueAnswer(message)
    own = _own_space(done.results, invocation.chaincode)
    reads = {each.key: _version(each) for each in own.reads}
    writes = {each.key: each.value for each in own.writes}
    if len(reads) != len(own.reads) or len(writes) != len(own.writes):
        message = "a key is read or written twice"
        raise UntrueAnswer(message)
    return Answer(invocation, endorsed, reads, writes, _event(invocation, done.events), done.response.payload)


def _own_space(results: bytes, chaincode: str) -> kvrwset_pb2.KVRWSet:
    """Returns reads and writes of the chaincode; of others only the definition of chaincodes may have been read."""
    own = kvrwset_pb2.KVRWSet()
    for space in rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset:
        found = kvrwset_pb2.KVRWSet.FromString(space.rwset)
        if space.collection_hashed_rwset or found.metadata_writes or found.range_queries_info:
            message = f"private data, ranges or metadata of {space.namespace!r}, which the rules never touch"
            raise UntrueAnswer(message)
        if space.namespace == chaincode:
            own.MergeFrom(found)
        elif space.namespace != _LIFECYCLE or found.writes:
            message = f"a write set of {space.namespace!r} beside the chaincode's own"
            raise UntrueAnswer(message)
    if any(write.is_delete for write in own.writes):
        message = "a deletion, which the rules never make"
        raise UntrueAnswer(message)
    return own


def _version(read: kvrwset_pb2.KVRead) -> Version | None:
    return (read.version.block_num, read.version.tx_num) if read.HasField("version") else None


def _event(invocation: Invocation, raw: bytes) -> tuple[str, bytes] | None:
    if not raw:
        return None
    event = peer_pb2.ChaincodeEvent.FromString(raw)
    if (event.chaincode_id, event.tx_id) != (invocation.chaincode, invocation.transaction):
        message = "an event of another chaincode or transaction"
        raise UntrueAnswer(message)
    return event.event_name, event.payload


def _same(found: bytes, expected: bytes, what: str) -> None:
    if found != expected:
        message = f"another {what} than the one that was asked for"
        raise UntrueAnswer(message)
