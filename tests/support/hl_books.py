"""The embedded ledger in this process, without a wire; transactions in parts, each of which may be spoiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from adapters.hyperledger.embedded.authorities import Authority
from adapters.hyperledger.embedded.channel import Channel
from adapters.hyperledger.embedded.endorser import Peer, choose
from adapters.hyperledger.embedded.hashing import sha256, transaction_id
from adapters.hyperledger.embedded.identities import Member
from adapters.hyperledger.embedded.ledger import Ledger
from adapters.hyperledger.embedded.link import ChaincodeLink, Executed
from adapters.hyperledger.embedded.network import ChaincodeConfig, Network, NetworkConfig, init, open_network
from adapters.hyperledger.embedded.proposals import Proposal
from adapters.hyperledger.embedded.simulation import Simulation
from adapters.hyperledger.embedded.validation import Rules
from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, peer_pb2, rwset_pb2
from fabric.core.clock import FrozenClock

CHANNEL, CHAINCODE = "trade", "kv"
START = 1_800_000_000
AND = "AND('Org1MSP.peer','Org2MSP.peer')"
Reads = Sequence[tuple[str, tuple[int, int] | None]]


class Local:
    """Executes ``set KEY VALUE`` and ``count START END`` in this process, in place of a link."""

    async def execute(self, proposal: Proposal, simulation: Simulation) -> Executed:
        try:
            function, first, second = (part.decode() for part in proposal.args)
        except ValueError as error:  # as a chaincode answers what it cannot read
            return Executed(peer_pb2.Response(status=500, message=str(error)), None)
        if function == "set":
            simulation.put(first, second.encode())
            payload = second.encode()
        else:
            payload = str(len(simulation.between(first, second))).encode()
        event = peer_pb2.ChaincodeEvent(event_name=function, payload=first.encode())
        return Executed(peer_pb2.Response(status=200, payload=payload), event)


@dataclass
class Books:
    """A ledger in a folder.

    Attributes:
        folder: where its blocks lie.
        network: its organisations.
        clock: everybody's.
        ledger: the ledger.
        user: somebody of the first organisation.
    """

    folder: Path
    network: Network
    clock: FrozenClock
    ledger: Ledger
    user: Member
    count: int = field(default=0)

    @classmethod
    def make(cls, folder: Path, policy: str = AND) -> "Books":
        """Makes a network of three organisations; the first two endorse."""
        clock = FrozenClock(START)
        chaincode = ChaincodeConfig(address="127.0.0.1:1", policy=policy, package="kv:00")
        names = ["Org1MSP", "Org2MSP", "Org3MSP"]
        init(folder, NetworkConfig(channel=CHANNEL, organisations=names, chaincodes={CHAINCODE: chaincode}), clock)
        network = open_network(folder, clock)
        user = network.authorities["Org1MSP"].member("user", "client")
        return cls(folder, network, clock, _open(network, clock), user)

    def again(self) -> "Books":
        """Returns what is read of the folder by somebody else; these books are closed."""
        self.close()
        return replace(self, ledger=_open(self.network, self.clock))

    def close(self) -> None:
        self.ledger._file.close()

    @property
    def channel(self) -> Channel:
        return self.ledger.channel

    @property
    def rules(self) -> Rules:
        ledger = self.ledger
        return Rules(CHANNEL, ledger.identities, ledger.policies, ledger.channel.is_known)

    async def commit(self, *envelopes: bytes) -> list[int]:
        """Puts envelopes into the next block; returns its flags."""
        block = await self.channel.commit(self.rules, envelopes)
        return list(block.metadata.metadata[2])

    def parts(self, key: str = "a", value: str = "1", **changes: Any) -> "Parts":  # noqa: ANN401 - fields of Parts
        """Returns a transaction that writes a key; no two are alike."""
        self.count += 1
        nonce = self.count.to_bytes(24, "big")
        peers = [self.network.peers[name] for name in ("Org1MSP", "Org2MSP")]
        written = {key: value.encode()}
        return replace(Parts(self.user, nonce, peers, written), **changes)

    def authority(self, name: str) -> Authority:
        return self.network.authorities[name]


def _open(network: Network, clock: FrozenClock) -> Ledger:
    ledger = Ledger.open(network, clock, "127.0.0.1:7051")
    local = cast("ChaincodeLink", Local())
    for name, member in network.peers.items():
        ledger.peers[name] = Peer(member, ledger.channel, {CHAINCODE: local})
    for name, policy in ledger.policies.items():
        ledger.plans[name] = choose(policy, list(ledger.peers.values()))
    return ledger


@dataclass(frozen=True)
class Parts:
    """A transaction in its parts. ``spoiled`` puts other bytes in the place of a part, before what is around it is
    signed: ``header``, ``extension``, ``signer``, ``proposal``, ``rwset``, ``results``, ``events``, ``action``,
    ``response``, ``content``, ``data``, ``payload``, ``envelope``.
    """

    creator: Member
    nonce: bytes
    peers: Sequence[Member]
    written: Mapping[str, bytes]
    read: Reads = ()
    ranges: Sequence[kvrwset_pb2.RangeQueryInfo] = ()
    spoiled: Mapping[str, bytes] = field(default_factory=dict)
    channel: str = CHANNEL
    chaincode: str = CHAINCODE
    type: int = common_pb2.ENDORSER_TRANSACTION
    epoch: int = 0
    transaction: str = ""
    actions: int = 1
    namespace: str = CHAINCODE
    version: str = "1.0"

    @property
    def id(self) -> str:
        return self.transaction or transaction_id(self.nonce, self.creator.encoded)

    def envelope(self) -> bytes:
        """Returns the transaction, signed by its creator."""
        payload = common_pb2.Payload(data=self._part("data", self._data()))
        payload.header.channel_header, payload.header.signature_header = self._header, self._signer
        encoded = self._part("payload", payload.SerializeToString())
        return self._part(
            "envelope",
            common_pb2.Envelope(payload=encoded, signature=self.creator.sign(encoded)).SerializeToString(),
        )

    def proposal(self, *args: str) -> peer_pb2.SignedProposal:
        """Returns a signed proposal of the same headers."""
        spec = peer_pb2.ChaincodeInvocationSpec()
        spec.chaincode_spec.chaincode_id.name = self.chaincode
        spec.chaincode_spec.input.args.extend(each.encode() for each in args)
        asked = peer_pb2.ChaincodeProposalPayload(input=spec.SerializeToString()).SerializeToString()
        header = common_pb2.Header(channel_header=self._header, signature_header=self._signer)
        proposal = peer_pb2.Proposal(header=header.SerializeToString(), payload=self._part("proposal", asked))
        encoded = self._part("data", proposal.SerializeToString())
        return peer_pb2.SignedProposal(proposal_bytes=encoded, signature=self.creator.sign(encoded))

    @property
    def _header(self) -> bytes:
        extension = peer_pb2.ChaincodeHeaderExtension()
        extension.chaincode_id.name = self.chaincode
        header = common_pb2.ChannelHeader(channel_id=self.channel, tx_id=self.id, epoch=self.epoch)
        header.type = self.type
        header.extension = self._part("extension", extension.SerializeToString())
        return self._part("header", header.SerializeToString())

    @property
    def _signer(self) -> bytes:
        header = common_pb2.SignatureHeader(creator=self.creator.encoded, nonce=self.nonce)
        return self._part("signer", header.SerializeToString())

    def _data(self) -> bytes:
        proposal = self._part("proposal", b"proposal")
        response = self._part("response", self._response(proposal))
        content = peer_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposal)
        content.action.proposal_response_payload = response
        for peer in self.peers:
            signature = peer.sign(response + peer.encoded)
            content.action.endorsements.add(endorser=peer.encoded, signature=signature)
        encoded = self._part("content", content.SerializeToString())
        transaction = peer_pb2.Transaction()
        for _ in range(self.actions):
            transaction.actions.add(header=self._signer, payload=encoded)
        return transaction.SerializeToString()

    def _response(self, proposal: bytes) -> bytes:
        event = peer_pb2.ChaincodeEvent(chaincode_id=self.chaincode, tx_id=self.id, event_name="Set")
        action = peer_pb2.ChaincodeAction(results=self._part("results", self._results()))
        action.events = self._part("events", event.SerializeToString())
        action.response.status = 200
        action.chaincode_id.name, action.chaincode_id.version = self.chaincode, self.version
        digest = sha256(self._header, self._signer, proposal)
        extension = self._part("action", action.SerializeToString())
        return peer_pb2.ProposalResponsePayload(proposal_hash=digest, extension=extension).SerializeToString()

    def _results(self) -> bytes:
        entries = kvrwset_pb2.KVRWSet(range_queries_info=self.ranges)
        for key, version in self.read:
            place = kvrwset_pb2.Version(block_num=version[0], tx_num=version[1]) if version else None
            entries.reads.add(key=key, version=place)
        for key, value in self.written.items():
            entries.writes.add(key=key, is_delete=not value, value=value)
        results = rwset_pb2.TxReadWriteSet()
        results.ns_rwset.add(namespace=self.namespace, rwset=self._part("rwset", entries.SerializeToString()))
        return results.SerializeToString()

    def _part(self, name: str, usual: bytes) -> bytes:
        return self.spoiled.get(name, usual)


def raw_range(start: str, end: str, seen: Reads, *, exhausted: bool = True) -> kvrwset_pb2.RangeQueryInfo:
    """Returns a range that was read."""
    query = kvrwset_pb2.RangeQueryInfo(start_key=start, end_key=end, itr_exhausted=exhausted)
    query.raw_reads.SetInParent()
    for key, version in seen:
        assert version is not None
        place = kvrwset_pb2.Version(block_num=version[0], tx_num=version[1])
        query.raw_reads.kv_reads.add(key=key, version=place)
    return query
