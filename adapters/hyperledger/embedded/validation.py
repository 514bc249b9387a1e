"""Validation: which transactions of a block take effect, with the codes that real peers give (``TxValidationCode``).

First each one by itself, in the order of the real validator: headers and creator, one action, channel, duplicates,
chaincode, results, endorsement policy. Then, in the order of the block, what it read against what is there now (MVCC,
phantoms).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded.hashing import sha256, transaction_id
from adapters.hyperledger.embedded.identities import Identities, Identity, IdentityRefused
from adapters.hyperledger.embedded.policies import Policy, is_satisfied
from adapters.hyperledger.embedded.state import Key, Updates, Value, Version, WorldState, in_range
from adapters.hyperledger.embedded.transactions import Action, BadAction, Given, read_action, read_given
from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, peer_pb2

_OTHER_TYPES: Final[Mapping[int, int]] = {
    common_pb2.CONFIG: peer_pb2.INVALID_CONFIG_TRANSACTION,
    common_pb2.CONFIG_UPDATE: peer_pb2.UNSUPPORTED_TX_PAYLOAD,
}
"""Known types of transactions that are none of endorsers; a configuration never changes here."""


class Invalid(Exception):
    """A transaction that takes no effect; ``code`` says why."""

    def __init__(self, code: int) -> None:
        """Takes the code."""
        super().__init__(peer_pb2.TxValidationCode.Name(code))
        self.code = code


@dataclass(frozen=True)
class Rules:
    """What a channel's transactions are held to.

    Attributes:
        channel: the channel's id.
        identities: whose signatures count.
        policies: what endorsements a chaincode's transactions need.
        is_known: says whether a transaction id is on the channel already.
    """

    channel: str
    identities: Identities
    policies: Mapping[str, Policy]
    is_known: Callable[[str], bool]


@dataclass
class Validated:
    """What became of a block's transactions: a code each, and what the valid ones write."""

    codes: list[int] = field(default_factory=list)
    updates: Updates = field(default_factory=dict)


def validate(rules: Rules, state: WorldState, number: int, envelopes: Sequence[bytes]) -> Validated:
    """Validates the transactions of block ``number`` against the state before it."""
    result, seen = Validated(), set[str]()
    for place, envelope in enumerate(envelopes):
        try:
            action = _check(rules, envelope, seen)
            _check_reads(state, result.updates, action)
        except Invalid as error:
            result.codes.append(error.code)
            continue
        result.codes.append(peer_pb2.VALID)
        result.updates |= _writes(action, Version(number, place))
    return result


def _check(rules: Rules, data: bytes, seen: set[str]) -> Action:
    """Checks a transaction by itself, and that it is the first of its id; returns its action."""
    envelope, payload = _payload(data)
    header, signature = _headers(payload)
    try:
        rules.identities.verified(signature.creator, envelope.payload, envelope.signature)
    except IdentityRefused as error:
        raise Invalid(peer_pb2.BAD_CREATOR_SIGNATURE) from error
    if header.type != common_pb2.ENDORSER_TRANSACTION:
        raise Invalid(_OTHER_TYPES[header.type])
    if header.tx_id != transaction_id(signature.nonce, signature.creator):
        raise Invalid(peer_pb2.BAD_PROPOSAL_TXID)
    given = _given(payload)
    if header.channel_id != rules.channel:
        raise Invalid(peer_pb2.TARGET_CHAIN_NOT_FOUND)
    if rules.is_known(header.tx_id):
        raise Invalid(peer_pb2.DUPLICATE_TXID)
    action = _check_chaincode(rules, header, given)
    if header.tx_id in seen:
        raise Invalid(peer_pb2.DUPLICATE_TXID)
    seen.add(header.tx_id)
    return action


def _payload(data: bytes) -> tuple[common_pb2.Envelope, common_pb2.Payload]:
    try:
        envelope = common_pb2.Envelope.FromString(data)
    except DecodeError as error:
        raise Invalid(peer_pb2.INVALID_OTHER_REASON) from error
    try:
        return envelope, common_pb2.Payload.FromString(envelope.payload)
    except DecodeError as error:
        raise Invalid(peer_pb2.BAD_PAYLOAD) from error


def _headers(payload: common_pb2.Payload) -> tuple[common_pb2.ChannelHeader, common_pb2.SignatureHeader]:
    try:
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        signature = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    except DecodeError as error:
        raise Invalid(peer_pb2.BAD_COMMON_HEADER) from error
    is_known = header.type == common_pb2.ENDORSER_TRANSACTION or header.type in _OTHER_TYPES
    if not is_known or header.epoch or not signature.nonce or not signature.creator:
        raise Invalid(peer_pb2.BAD_COMMON_HEADER)
    return header, signature


def _given(payload: common_pb2.Payload) -> Given:
    try:
        given = read_given(payload.data)
        signer = common_pb2.SignatureHeader.FromString(given.header) if given else common_pb2.SignatureHeader()
    except DecodeError as error:
        raise Invalid(peer_pb2.INVALID_ENDORSER_TRANSACTION) from error
    # Real peers do not compare the header, which nothing else speaks of: an endorser signed one, and it is this one.
    if given is None or given.header != payload.header.signature_header or not signer.nonce or not signer.creator:
        raise Invalid(peer_pb2.INVALID_ENDORSER_TRANSACTION)
    if given.hash != sha256(payload.header.channel_header, given.header, given.payload):
        raise Invalid(peer_pb2.INVALID_ENDORSER_TRANSACTION)
    return given


def _check_chaincode(rules: Rules, header: common_pb2.ChannelHeader, given: Given) -> Action:
    named = _named(header)
    try:
        action = read_action(given)
    except BadAction as error:
        raise Invalid(error.code) from error
    if named is None or action.chaincode is None:
        raise Invalid(peer_pb2.INVALID_OTHER_REASON)
    if not named or named != action.chaincode or not action.version or named not in rules.policies:
        raise Invalid(peer_pb2.INVALID_CHAINCODE)
    if action.event is not None and action.event.chaincode_id != named:
        raise Invalid(peer_pb2.INVALID_OTHER_REASON)
    if any(namespace != named for namespace, written in action.results.items() if written.writes):
        raise Invalid(peer_pb2.INVALID_CHAINCODE)
    if not is_satisfied(rules.policies[named], _endorsers(rules.identities, given)):
        raise Invalid(peer_pb2.ENDORSEMENT_POLICY_FAILURE)
    return action


def _named(header: common_pb2.ChannelHeader) -> str | None:
    try:
        extension = peer_pb2.ChaincodeHeaderExtension.FromString(header.extension)
    except DecodeError as error:
        raise Invalid(peer_pb2.BAD_HEADER_EXTENSION) from error
    return extension.chaincode_id.name if extension.HasField("chaincode_id") else None


def _endorsers(identities: Identities, given: Given) -> list[Identity]:
    """Returns who endorsed, each once, however often and in whatever writing it is named."""
    found: dict[tuple[str, bytes], Identity] = {}
    for endorsement in given.endorsements:
        try:
            message = given.response + endorsement.endorser
            identity = identities.verified(endorsement.endorser, message, endorsement.signature)
        except IdentityRefused:
            continue  # it counts as none; the policy says whether the others are enough
        found.setdefault(identity.key, identity)
    return list(found.values())


def _check_reads(state: WorldState, updates: Updates, action: Action) -> None:
    for namespace, read in action.results.items():
        for one in read.reads:
            key = Key(namespace, one.key)
            found = state.get(key)
            if key in updates or (found.version if found else None) != _version(one):
                raise Invalid(peer_pb2.MVCC_READ_CONFLICT)
        for query in read.range_queries_info:
            if not _is_unchanged(state, updates, namespace, query):
                raise Invalid(peer_pb2.PHANTOM_READ_CONFLICT)


def _is_unchanged(state: WorldState, updates: Updates, namespace: str, query: kvrwset_pb2.RangeQueryInfo) -> bool:
    start, end = query.start_key, query.end_key
    now = dict(state.between(namespace, start, end))
    written: dict[Key, Value] = {}
    for key, value in updates.items():
        if value is None and key.namespace == namespace:
            now.pop(key.name, None)
        elif value is not None:
            written[key] = value
    now |= dict(in_range(written, namespace, start, end))
    read = [(one.key, _version(one)) for one in query.raw_reads.kv_reads]
    if not query.itr_exhausted and read:
        now = {name: value for name, value in now.items() if name <= read[-1][0]}
    return query.WhichOneof("reads_info") != "reads_merkle_hashes" and read == [
        (name, now[name].version) for name in sorted(now)
    ]


def _version(read: kvrwset_pb2.KVRead) -> Version | None:
    return Version(read.version.block_num, read.version.tx_num) if read.HasField("version") else None


def _writes(action: Action, version: Version) -> Updates:
    return {
        Key(namespace, one.key): None if one.is_delete else Value(one.value, version)
        for namespace, written in action.results.items()
        for one in written.writes
    }
