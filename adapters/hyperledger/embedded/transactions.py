"""A transaction as it lies in a block, read for validation and for what is told of it."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, peer_pb2, rwset_pb2


@dataclass(frozen=True)
class Given:
    """The one action of a transaction, as far as it is read before anything is looked up.

    Attributes:
        header: the action's signature header.
        payload: the proposal's payload.
        response: the ``protos.ProposalResponsePayload``, as endorsed.
        hash: the proposal's hash as endorsers name it.
        extension: the ``protos.ChaincodeAction`` that endorsers signed.
        endorsements: who endorsed.
    """

    header: bytes
    payload: bytes
    response: bytes
    hash: bytes
    extension: bytes
    endorsements: tuple[peer_pb2.Endorsement, ...]


@dataclass(frozen=True)
class Action:
    """What endorsers said that a transaction does.

    Attributes:
        chaincode: the chaincode, None where nothing is said of it.
        version: the chaincode's version.
        results: the read-write sets by namespace.
        event: the chaincode's event, None where it set none.
    """

    chaincode: str | None
    version: str
    results: dict[str, kvrwset_pb2.KVRWSet]
    event: peer_pb2.ChaincodeEvent | None


class BadAction(ValueError):
    """An action that cannot be read; ``code`` is what validation makes of it."""

    def __init__(self, code: int) -> None:
        """Takes the ``TxValidationCode``."""
        super().__init__(peer_pb2.TxValidationCode.Name(code))
        self.code = code


def read_given(data: bytes) -> Given | None:
    """Reads a ``protos.Transaction``, None where there is not exactly one action; raises ``DecodeError``."""
    actions = peer_pb2.Transaction.FromString(data).actions
    if len(actions) != 1:
        return None
    given = peer_pb2.ChaincodeActionPayload.FromString(actions[0].payload)
    endorsed = peer_pb2.ProposalResponsePayload.FromString(given.action.proposal_response_payload)
    return Given(
        actions[0].header,
        given.chaincode_proposal_payload,
        given.action.proposal_response_payload,
        endorsed.proposal_hash,
        endorsed.extension,
        tuple(given.action.endorsements),
    )


def read_action(given: Given) -> Action:
    """Reads what endorsers said; raises ``BadAction``."""
    try:
        action = peer_pb2.ChaincodeAction.FromString(given.extension)
    except DecodeError as error:
        raise BadAction(peer_pb2.BAD_RESPONSE_PAYLOAD) from error
    results = _results(action.results)
    try:
        event = peer_pb2.ChaincodeEvent.FromString(action.events) if action.events else None
    except DecodeError as error:
        raise BadAction(peer_pb2.INVALID_OTHER_REASON) from error
    name = action.chaincode_id.name if action.HasField("chaincode_id") else None
    return Action(name, action.chaincode_id.version, results, event)


def read_header(envelope: bytes) -> common_pb2.ChannelHeader:
    """Returns the channel header of a stored transaction, an empty one where it cannot be read."""
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        return common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    except DecodeError:
        return common_pb2.ChannelHeader()


def read_stored(envelope: bytes) -> Action | None:
    """Returns what a stored transaction does, None where it is none of endorsers or cannot be read."""
    if read_header(envelope).type != common_pb2.ENDORSER_TRANSACTION:
        return None
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
    try:
        given = read_given(payload.data)
        return read_action(given) if given else None
    except (DecodeError, BadAction):
        return None


def read_event(envelope: bytes) -> tuple[common_pb2.ChannelHeader, peer_pb2.ChaincodeEvent | None]:
    """Returns the channel header of a stored transaction and its event; one that cannot be read has neither."""
    action = read_stored(envelope)
    return read_header(envelope), action.event if action else None


def _results(data: bytes) -> dict[str, kvrwset_pb2.KVRWSet]:
    try:
        sets = rwset_pb2.TxReadWriteSet.FromString(data).ns_rwset
        found = {one.namespace: kvrwset_pb2.KVRWSet.FromString(one.rwset) for one in sets}
    except DecodeError as error:
        raise BadAction(peer_pb2.BAD_RWSET) from error
    if len(found) != len(sets):
        raise BadAction(peer_pb2.ILLEGAL_WRITESET)
    return found
