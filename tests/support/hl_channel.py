"""A channel in memory for unit tests: two endorsers that run the chaincode, an orderer, blocks; ways to spoil each.

No wire and no processes: on these the conformance suite runs in ``tests/conformance/test_hyperledger.py``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from adapters.hyperledger.account import certificate_account
from adapters.hyperledger.chaincode.contract import Contract
from adapters.hyperledger.chaincode.transaction import Transaction
from adapters.hyperledger.client.blocks import header_bytes
from adapters.hyperledger.client.peers import COMMIT_STATUS, ENDORSE, SUBMIT, Method, PeerError
from adapters.hyperledger.client.settings import Settings, parse_settings
from adapters.hyperledger.genesis import GenesisDocument
from adapters.hyperledger.names import EVENT
from adapters.hyperledger.proto import common_pb2, gateway_pb2, kvrwset_pb2, msp_pb2, orderer_pb2, peer_pb2, rwset_pb2
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import FrozenClock
from fabric.core.errors import Malformed, Refused
from fabric.core.ids import Account, sha256
from tests.support import batches
from tests.support.hl_authorities import Authority, LocalKeys, Member

CHANNEL, CHAINCODE = "trade", "settlement"
SALT = sha256(b"salt")
Spoil = Callable[[Any], None]


@dataclass
class Simulation:
    """The chaincode's namespace as a peer shows it to one transaction: versions of what it read, what it wrote."""

    state: dict[str, tuple[bytes, tuple[int, int]]]
    reads: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    writes: dict[str, bytes] = field(default_factory=dict)

    def get(self, key: str) -> bytes | None:
        found = self.state.get(key)
        self.reads[key] = found[1] if found else None
        return found[0] if found else None

    def put(self, key: str, value: bytes) -> None:
        self.writes[key] = value


class MemoryChannel:
    """The peers' side of a channel; stands in for ``Peers``.

    Attributes:
        state: values with their versions.
        blocks: the blocks.
        spoil: called with what is about to be answered, by method name or ``response``, ``action``; changes it.
        down: methods that nobody answers.
        withheld: whether the orderer takes envelopes and makes no block of them.
        codes: validation codes that a peer claims instead of its own, by transaction id.
    """

    def __init__(self, clock: FrozenClock) -> None:
        now = clock.unix_seconds()
        self.clock = clock
        self.authorities = [Authority("Org1MSP", now), Authority("Org2MSP", now)]
        self.ordering = Authority("OrdererMSP", now)
        self.endorsers = [each.issue("peer0", "peer") for each in self.authorities]
        self.orderer = self.ordering.issue("orderer0", "orderer")
        self.client = self.authorities[0].issue("relayer", "client")
        self.keys = LocalKeys(self.client.key, CHANNEL, CHAINCODE)
        self.state: dict[str, tuple[bytes, tuple[int, int]]] = {}
        self.blocks: list[common_pb2.Block] = []
        self.codes: dict[str, int] = {}
        self.spoil: dict[str, Spoil] = {}
        self.down: set[str] = set()
        self.withheld = False
        self.waiting: list[common_pb2.Envelope] = []
        self.submitted: list[bytes] = []
        self._statuses: dict[str, tuple[int, int]] = {}
        self.block([common_pb2.Envelope(payload=b"")])
        self.settings = self._settings()
        names = CHANNEL, CHAINCODE, self.hash_of(0)
        self.document = GenesisDocument(*names, (batches.APPRAISER.public,), 1, 300, SALT)
        self.contract = Contract(clock)
        self.state["genesis"] = (self.document.encoded, (0, 0))

    def config(self, **changes: JsonValue) -> JsonObject:
        """Returns the configuration of a client."""
        msps: JsonObject = {each.msp: each.trusted for each in self.authorities}
        both: JsonObject = {"n": 2, "of": ["Org1MSP.peer", "Org2MSP.peer"]}
        value: JsonObject = {
            "endpoints": ["127.0.0.1:1"],
            "channel": CHANNEL,
            "chaincode": CHAINCODE,
            "block": self.hash_of(0).hex(),
            "salt": SALT.hex(),
            "msp": "Org1MSP",
            "certificate": self.client.pem,
            "msps": msps,
            "policy": both,
            "orderers": {self.ordering.msp: self.ordering.trusted},
        }
        return value | changes

    def _settings(self) -> Settings:
        return parse_settings(self.config())

    # What ``Peers`` offers.

    async def ask(self, method: Method[Any, Any], request: Any, seconds: float) -> Any:  # noqa: ANN401 - as Peers
        del seconds
        name = method.path.rpartition("/")[2]
        if name in self.down:
            raise PeerError(grpc.StatusCode.UNAVAILABLE, f"{name}: nobody is there")
        methods: dict[Any, Any] = {ENDORSE: self._endorse, SUBMIT: self._submit, COMMIT_STATUS: self._status}
        answer = methods[method](request)
        if spoil := self.spoil.get(name):
            spoil(answer)
        return answer

    async def deliver(self, envelope: common_pb2.Envelope, seconds: float) -> list[common_pb2.Block]:
        del seconds
        if "Deliver" in self.down:
            raise PeerError(grpc.StatusCode.UNAVAILABLE, "Deliver: nobody is there")
        payload = common_pb2.Payload.FromString(envelope.payload)
        if spoil := self.spoil.get("seek"):
            spoil(common_pb2.ChannelHeader.FromString(payload.header.channel_header))
        seek = orderer_pb2.SeekInfo.FromString(payload.data)
        newest = len(self.blocks) - 1
        start = newest if seek.start.HasField("newest") else seek.start.specified.number
        stop = newest if seek.stop.HasField("newest") else seek.stop.specified.number
        found = [common_pb2.Block.FromString(each.SerializeToString()) for each in self.blocks[start : stop + 1]]
        for block in found:
            self._flag(block)
            if spoil := self.spoil.get("Deliver"):
                spoil(block)
        return found

    async def aclose(self) -> None:
        return

    # The peers.

    def _endorse(self, request: gateway_pb2.EndorseRequest) -> gateway_pb2.EndorseResponse:
        proposal = peer_pb2.Proposal.FromString(request.proposed_transaction.proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        channel = common_pb2.ChannelHeader.FromString(header.channel_header)
        creator = common_pb2.SignatureHeader.FromString(header.signature_header).creator
        spec = peer_pb2.ChaincodeInvocationSpec.FromString(
            peer_pb2.ChaincodeProposalPayload.FromString(proposal.payload).input
        ).chaincode_spec
        action = self._execute(channel, creator, list(spec.input.args))
        digest = hashlib.sha256(header.channel_header + header.signature_header + proposal.payload).digest()
        response = peer_pb2.ProposalResponsePayload(proposal_hash=digest, extension=action.SerializeToString())
        if spoil := self.spoil.get("response"):
            spoil(response)
        endorsed = response.SerializeToString()
        content = peer_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposal.payload)
        content.action.proposal_response_payload = endorsed
        for member in self.endorsers:
            content.action.endorsements.append(endorsement(member, endorsed))
        if spoil := self.spoil.get("content"):
            spoil(content)
        transaction = peer_pb2.Transaction()
        transaction.actions.add(header=header.signature_header, payload=content.SerializeToString())
        payload = common_pb2.Payload(header=header, data=transaction.SerializeToString())
        if spoil := self.spoil.get("payload"):
            spoil(payload)
        return gateway_pb2.EndorseResponse(
            prepared_transaction=common_pb2.Envelope(payload=payload.SerializeToString())
        )

    def _execute(
        self, channel: common_pb2.ChannelHeader, creator: bytes, args: Sequence[bytes]
    ) -> peer_pb2.ChaincodeAction:
        simulation = Simulation(self.state)
        names = channel.tx_id, channel.channel_id, CHAINCODE
        asked = Transaction(*names, channel.timestamp.seconds, sender_of(creator), tuple(args))
        try:
            answer = self.contract.invoke(asked, simulation)
        except (Malformed, Refused) as error:
            raise PeerError(
                grpc.StatusCode.ABORTED, "failed to endorse", [f"chaincode response 500, {error}"]
            ) from error
        action = peer_pb2.ChaincodeAction(results=write_set(simulation.reads, simulation.writes))
        action.chaincode_id.name = CHAINCODE
        action.response.status, action.response.payload = 200, answer.payload
        if answer.event is not None:
            event = peer_pb2.ChaincodeEvent(chaincode_id=CHAINCODE, tx_id=channel.tx_id, event_name=EVENT)
            event.payload = answer.event
            action.events = event.SerializeToString()
        if spoil := self.spoil.get("action"):
            spoil(action)
        return action

    # The orderer and the validators.

    def _submit(self, request: gateway_pb2.SubmitRequest) -> gateway_pb2.SubmitResponse:
        self.submitted.append(request.prepared_transaction.SerializeToString())
        self.waiting.append(request.prepared_transaction)
        if not self.withheld:
            self.cut()
        return gateway_pb2.SubmitResponse()

    def cut(self) -> None:
        """Makes a block of the envelopes that wait."""
        waiting, self.waiting = self.waiting, []
        self.block(waiting)

    def block(self, envelopes: Sequence[common_pb2.Envelope]) -> None:
        """Appends a block, validates its transactions and writes the state."""
        number = len(self.blocks)
        data = [each.SerializeToString() for each in envelopes]
        header = common_pb2.BlockHeader(number=number, data_hash=hashlib.sha256(b"".join(data)).digest())
        header.previous_hash = self.hash_of(number - 1) if number else b""
        block = common_pb2.Block(header=header, data=common_pb2.BlockData(data=data))
        flags = bytes(self._commit(number, at, each) for at, each in enumerate(envelopes)) if number else b"\0"
        block.metadata.metadata.extend([self._seal(header), b"", flags, b"", b""])
        self.blocks.append(block)

    def hash_of(self, number: int) -> bytes:
        header = self.blocks[number].header
        return hashlib.sha256(header_bytes(header.number, header.previous_hash, header.data_hash)).digest()

    def _seal(self, header: common_pb2.BlockHeader) -> bytes:
        metadata = common_pb2.Metadata(value=b"value")
        signer = common_pb2.SignatureHeader(creator=self.orderer.identity.encoded, nonce=b"n").SerializeToString()
        encoded = header_bytes(header.number, header.previous_hash, header.data_hash)
        metadata.signatures.add(signature_header=signer, signature=self.orderer.sign(b"value" + signer + encoded))
        return metadata.SerializeToString()

    def _commit(self, number: int, at: int, envelope: common_pb2.Envelope) -> int:
        payload = common_pb2.Payload.FromString(envelope.payload)
        name = common_pb2.ChannelHeader.FromString(payload.header.channel_header).tx_id
        if name in self._statuses:
            return peer_pb2.DUPLICATE_TXID
        code = self._validate(payload, (number, at))
        self._statuses[name] = (code, number)
        return code

    def _validate(self, payload: common_pb2.Payload, version: tuple[int, int]) -> int:
        (action,) = peer_pb2.Transaction.FromString(payload.data).actions
        content = peer_pb2.ChaincodeActionPayload.FromString(action.payload)
        if len(content.action.endorsements) < len(self.endorsers):
            return peer_pb2.ENDORSEMENT_POLICY_FAILURE
        response = peer_pb2.ProposalResponsePayload.FromString(content.action.proposal_response_payload)
        done = peer_pb2.ChaincodeAction.FromString(response.extension)
        for space in rwset_pb2.TxReadWriteSet.FromString(done.results).ns_rwset:
            found = kvrwset_pb2.KVRWSet.FromString(space.rwset)
            is_ours = space.namespace == CHAINCODE
            if is_ours and any(self._version(each.key) != read_version(each) for each in found.reads):
                return peer_pb2.MVCC_READ_CONFLICT
            self.state |= {each.key: (each.value, version) for each in found.writes}
        return peer_pb2.VALID

    def _version(self, key: str) -> tuple[int, int] | None:
        found = self.state.get(key)
        return found[1] if found else None

    def _status(self, request: gateway_pb2.SignedCommitStatusRequest) -> gateway_pb2.CommitStatusResponse:
        name = gateway_pb2.CommitStatusRequest.FromString(request.request).transaction_id
        if name not in self._statuses:
            raise PeerError(grpc.StatusCode.DEADLINE_EXCEEDED, "waited in vain")
        code, number = self._statuses[name]
        said = peer_pb2.TxValidationCode.Name(self.codes.get(name, code))
        return gateway_pb2.CommitStatusResponse(result=said, block_number=number)

    def _flag(self, block: common_pb2.Block) -> None:
        flags = bytearray(block.metadata.metadata[2])
        for at, raw in enumerate(block.data.data):
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(raw).payload)
            name = common_pb2.ChannelHeader.FromString(payload.header.channel_header).tx_id
            flags[at] = self.codes.get(name, flags[at])
        block.metadata.metadata[2] = bytes(flags)


def endorsement(member: Member, response: bytes, *, high: bool = False) -> peer_pb2.Endorsement:
    """Returns a member's endorsement of a response."""
    endorser = member.identity.encoded
    return peer_pb2.Endorsement(endorser=endorser, signature=member.sign(response + endorser, high=high))


def sender_of(creator: bytes) -> Account:
    """Returns the account of a proposal's creator."""
    identity = msp_pb2.SerializedIdentity.FromString(creator)
    return certificate_account(identity.mspid, identity.id_bytes)


def write_set(reads: Mapping[str, tuple[int, int] | None], writes: Mapping[str, bytes]) -> bytes:
    """Returns the read-write set of a transaction, with the read of the chaincode's definition that peers add."""
    own = kvrwset_pb2.KVRWSet()
    for key, version in sorted(reads.items()):
        read = own.reads.add(key=key)
        if version:
            read.version.block_num, read.version.tx_num = version
    for key, value in sorted(writes.items()):
        own.writes.add(key=key, value=value)
    definition = kvrwset_pb2.KVRWSet()
    definition.reads.add(key=f"namespaces/fields/{CHAINCODE}/Sequence")
    sets = rwset_pb2.TxReadWriteSet()
    sets.ns_rwset.add(namespace="_lifecycle", rwset=definition.SerializeToString())
    sets.ns_rwset.add(namespace=CHAINCODE, rwset=own.SerializeToString())
    return sets.SerializeToString()


def read_version(read: kvrwset_pb2.KVRead) -> tuple[int, int] | None:
    return (read.version.block_num, read.version.tx_num) if read.HasField("version") else None
