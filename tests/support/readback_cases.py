"""Read-backs that a step of their check refuses, by step and name; tests and vectors share them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from typing_extensions import override

from adapters.hyperledger.proto import peer_pb2
from adapters.hyperledger.readback import STEPS
from tests.support.channel import CHAINCODE
from tests.support.msp import START, Authority, Member
from tests.support.readbacks import CLIENT, KEY, PEERS, ROOTS, Recipe
from tests.support.trust_samples import word

ORG1: Final = ROOTS["Org1MSP"]
ROGUE: Final = Authority("Org1MSP", "rogue")
AUTHORITY: Final = Member("Org1MSP", ORG1.certificate, ORG1.key)

HEADER_STEP = {
    "another type": Recipe(header={"type": 1}),
    "an epoch": Recipe(header={"epoch": 1}),
    "another channel": Recipe(proposal={"channel": "other"}),
    "another chaincode": Recipe(proposal={"chaincode": "other"}),
}
TRANSACTION_STEP = {
    "another transaction id": Recipe(header={"tx_id": "00" * 32}),
    "the id in capitals": Recipe(header={"tx_id": Recipe().proposed().transaction.upper()}),
    "no nonce": Recipe(proposal={"nonce": b""}),
}
CALL_STEP = {
    "another function": Recipe(function=b"apply"),
    "no key": Recipe(keys=()),
    "a key twice": Recipe(keys=(KEY.encode(), KEY.encode())),
    "too many keys": Recipe(keys=tuple(f"{number}".encode() for number in range(65))),
    "a key of other characters": Recipe(keys=(b"\xff",)),
}
PROPOSAL_STEP = {"an answer to another proposal": Recipe(hash=word("other"))}
ANSWER_STEP = {
    "a status of its own": Recipe(status=201),
    "an answer of another chaincode": Recipe(action={"chaincode_id": peer_pb2.ChaincodeID(name="other")}),
    "another destination": Recipe(answer={"destination": word("other").hex()}),
    "another time": Recipe(answer={"time": START + 1}),
    "a value too many": Recipe(answer={"values": [None, None]}),
    "a value too few": Recipe(answer={"values": []}),
}
READS_STEP = {
    "a key that was not read": Recipe(reads=()),
    "a key that was read twice": Recipe(reads=((KEY, (1, 1)), (KEY, (1, 1)))),
    "a value without a version": Recipe(reads=((KEY, None),)),
    "a version without a value": Recipe(state={KEY: None}, reads=((KEY, (1, 1)),)),
    "a write": Recipe(writes=("batch/other",)),
    "reads of another namespace": Recipe(namespaces=("other",)),
    "the namespace twice": Recipe(namespaces=(CHAINCODE, CHAINCODE)),
    "no reads at all": Recipe(action={"results": b""}),
    "another data model": Recipe(action={"results": b"\x08\x01" + Recipe().results()}),
}


class Forger(Member):
    """Signs something else."""

    @override
    def sign(self, message: bytes, *, high: bool = False) -> bytes:
        return super().sign(message[:-1], high=high)


FORGER = Forger("Org1MSP", PEERS[0].certificate, PEERS[0].key)
RENEWED = ORG1.member("peer0", start=START - 5)
SIGNATURES_STEP = {
    "a signature of something else": Recipe(peers=(FORGER, PEERS[1])),
    "high S": Recipe(high=True),
    "a signature by another key": Recipe(peers=(Member("Org1MSP", PEERS[0].certificate, CLIENT.key), PEERS[1])),
    "one key with two certificates": Recipe(peers=(*PEERS, RENEWED)),
}
ENDORSERS_STEP = {
    "one organisation is missing": Recipe(peers=PEERS[:1]),
    "one organisation twice": Recipe(peers=(PEERS[0], ORG1.member("peer1"))),
    "a client is no peer": Recipe(peers=(ORG1.member("some", "client"), PEERS[1])),
    "no role is no peer": Recipe(peers=(ORG1.member("some", ""), PEERS[1])),
    "two roles": Recipe(peers=(*PEERS, ORG1.member("both", "peer+admin"))),
    "an authority of the same name": Recipe(peers=(ROGUE.member("peer0"), PEERS[1])),
    "another MSP id than the authority's": Recipe(peers=(replace(PEERS[0], msp="Org2MSP"), PEERS[1])),
    "an organisation that is not trusted": Recipe(peers=(*PEERS, Authority("Org3MSP").member("peer0"))),
    "an expired certificate": Recipe(peers=(ORG1.member("old", end=START - 1), PEERS[1])),
    "a certificate that is not valid yet": Recipe(peers=(ORG1.member("new", start=START + 1), PEERS[1])),
    "an authority that endorses": Recipe(peers=(*PEERS, AUTHORITY)),
    "a certificate by a peer": Recipe(peers=(Authority("Org1MSP", "peer0").member("peer9"), PEERS[1])),
}
STEP_CASES: Final[Mapping[str, Mapping[str, Recipe]]] = dict(
    zip(
        STEPS,
        (
            *(HEADER_STEP, TRANSACTION_STEP, CALL_STEP, PROPOSAL_STEP),
            *(ANSWER_STEP, READS_STEP, SIGNATURES_STEP, ENDORSERS_STEP),
        ),
        strict=True,
    )
)
