"""Transactions that are spoiled in one way each, and the code that peers give them, embedded ones and real ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from typing_extensions import override

from adapters.hyperledger.embedded.authorities import Authority
from adapters.hyperledger.embedded.identities import Member
from adapters.hyperledger.proto import common_pb2, msp_pb2, peer_pb2, rwset_pb2
from fabric.core.clock import Clock, FrozenClock
from tests.support.hl_books import Parts, raw_range

YEARS: Final = 3 * 365 * 86_400


@dataclass(frozen=True)
class Organisations:
    """Whose keys the transactions are made with: authorities and one peer each, by MSP id."""

    clock: Clock
    authorities: Mapping[str, Authority]
    peers: Mapping[str, Member]


Change = Callable[[Organisations, Parts], bytes]


def _with(**changes: object) -> Change:
    return lambda _all, parts: replace(parts, **changes).envelope()  # type: ignore[arg-type]


def _spoiled(name: str, data: bytes = b"\xff") -> Change:
    return _with(spoiled={name: data})


def _wrong_signature(_all: Organisations, parts: Parts) -> bytes:
    envelope = common_pb2.Envelope.FromString(parts.envelope())
    envelope.signature = parts.creator.sign(b"another message")
    return envelope.SerializeToString()


def _rogue(all_: Organisations, parts: Parts) -> bytes:
    rogue = Authority.create("Org1MSP", all_.clock).member("user", "client")
    return replace(parts, creator=rogue).envelope()


def _roleless(all_: Organisations, parts: Parts) -> bytes:
    return replace(parts, creator=all_.authorities["Org1MSP"].member("user", None)).envelope()


def _expired(all_: Organisations, parts: Parts) -> bytes:
    old = replace(all_.authorities["Org1MSP"], clock=FrozenClock(all_.clock.unix_seconds() - YEARS))
    return replace(parts, creator=old.member("user", "client")).envelope()


def _authority(all_: Organisations, parts: Parts) -> bytes:
    authority = all_.authorities["Org1MSP"]
    return replace(parts, creator=Member("Org1MSP", authority.certificate, authority.key)).envelope()


def _same_peer_twice(all_: Organisations, parts: Parts) -> bytes:
    """The first organisation's peer endorses twice, once under another writing of its certificate."""
    again = Rewritten.of(all_.peers["Org1MSP"])
    return replace(parts, peers=[parts.peers[0], again]).envelope()


def _client_endorses(all_: Organisations, parts: Parts) -> bytes:
    client = all_.authorities["Org2MSP"].member("user", "client")
    return replace(parts, peers=[parts.peers[0], client]).envelope()


def _two_namespaces_alike(_all: Organisations, parts: Parts) -> bytes:
    results = rwset_pb2.TxReadWriteSet()
    for _ in range(2):
        results.ns_rwset.add(namespace=parts.chaincode)
    return replace(parts, spoiled={"results": results.SerializeToString()}).envelope()


def _foreign_event(_all: Organisations, parts: Parts) -> bytes:
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
    "header extension without a chaincode": (_spoiled("extension", b""), "INVALID_OTHER_REASON"),
    "header extension without a name": (_spoiled("extension", b"\x12\x00"), "INVALID_CHAINCODE"),
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
        lambda _all, parts: replace(parts, ranges=[raw_range("a", "b", [("aa", (7, 0))])]).envelope(),
        "PHANTOM_READ_CONFLICT",
    ),
}


ORDERER: Final = frozenset(
    {
        "payload is no message",
        "channel header is no message",
        "signature header is no message",
        "no header",
        "wrong signature",
        "rogue authority",
        "no role",
        "expired",
        "authority",
        "configuration",
        "configuration update",
        "another channel",
    }
)
"""Those that an orderer refuses, so that no peer gets to see them. What is no envelope cannot even be submitted."""
