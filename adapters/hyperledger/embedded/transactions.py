"""A transaction as it lies in a block, read for validation and for what is told of it."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, peer_pb2, rwset_pb2


@dataclass(frozen=True)
class Action:
    """What endorsers said that a transaction does.

    Attributes:
        header: the action's signature header.
        payload: the proposal's payload.
        response: the ``protos.ProposalResponsePayload``, as endorsed.
        hash: the proposal's hash as endorsers name it.
        chaincode: the chaincode.
        endorsements: who endorsed.
        results: the read-write sets by namespace.
        event: the chaincode's event, None where it set none.
    """

    header: bytes
    payload: bytes
    response: bytes
    hash: bytes
    chaincode: str
    endorsements: tuple[peer_pb2.Endorsement, ...]
    results: dict[str, kvrwset_pb2.KVRWSet]
    event: peer_pb2.ChaincodeEvent | None


class BadResults(ValueError):
    """Results that are no read-write set, or hold one namespace twice."""


def read_action(data: bytes) -> Action | None:
    """Reads the one action of a ``protos.Transaction``, None where there is not exactly one.

    Raises:
        DecodeError: what is no message.
        BadResults: the endorsed results cannot be read.
    """
    actions = peer_pb2.Transaction.FromString(data).actions
    if len(actions) != 1:
        return None
    given = peer_pb2.ChaincodeActionPayload.FromString(actions[0].payload)
    endorsed = peer_pb2.ProposalResponsePayload.FromString(given.action.proposal_response_payload)
    action = peer_pb2.ChaincodeAction.FromString(endorsed.extension)
    return Action(
        actions[0].header,
        given.chaincode_proposal_payload,
        given.action.proposal_response_payload,
        endorsed.proposal_hash,
        action.chaincode_id.name,
        tuple(given.action.endorsements),
        _results(action.results),
        peer_pb2.ChaincodeEvent.FromString(action.events) if action.events else None,
    )


def read_event(envelope: bytes) -> tuple[common_pb2.ChannelHeader, peer_pb2.ChaincodeEvent | None]:
    """Returns the channel header of a stored transaction, and its event; one that cannot be read has neither."""
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        if header.type != common_pb2.ENDORSER_TRANSACTION:
            return header, None
        action = read_action(payload.data)
    except (DecodeError, BadResults):
        return common_pb2.ChannelHeader(), None
    return header, action.event if action else None


def _results(data: bytes) -> dict[str, kvrwset_pb2.KVRWSet]:
    try:
        sets = rwset_pb2.TxReadWriteSet.FromString(data).ns_rwset
        found = {one.namespace: kvrwset_pb2.KVRWSet.FromString(one.rwset) for one in sets}
    except DecodeError as error:
        raise BadResults("no read-write set") from error
    if len(found) != len(sets):
        raise BadResults("one namespace twice")
    return found
