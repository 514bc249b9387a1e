"""What a peer hands over is read only where its parts belong together."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hyperledger.account import account_of, certificate_account
from adapters.hyperledger.chaincode.transaction import Transaction, read_transaction
from adapters.hyperledger.proto import shim_pb2
from fabric.core.errors import Malformed
from fabric.core.ids import sha256
from tests.support.channel import CHAINCODE, CHANNEL
from tests.support.msp import START, Authority, Member
from tests.support.proposals import propose, start_message

ORG = Authority("Org1MSP")
CLIENT = ORG.member("relayer", "client")
ARGUMENTS = (b"read", b"genesis")


def test_a_transaction_is_what_the_client_proposed() -> None:
    proposal = propose(CLIENT, ARGUMENTS, START)
    transaction = read_transaction(start_message(proposal, ARGUMENTS))
    account = account_of("Org1MSP", CLIENT.public_key)
    assert transaction == Transaction(proposal.transaction, CHANNEL, CHAINCODE, START, account, ARGUMENTS)


def test_the_account_is_of_msp_and_key_whatever_the_certificate() -> None:
    again = ORG.member("relayer", "client", start=START)
    assert again.pem != CLIENT.pem
    expected: bytes = sha256(b"cryptlet-fabric/hyperledger-account/v1\0Org1MSP\0", CLIENT.public_key)
    assert all(bytes(certificate_account("Org1MSP", each.pem)) == expected for each in (CLIENT, again))
    assert bytes(certificate_account("Org2MSP", CLIENT.pem)) != expected


def another_nonce() -> shim_pb2.ChaincodeMessage:
    """Returns a message whose transaction id, though the header says it too, is not that of its nonce."""
    proposal, other = (propose(CLIENT, ARGUMENTS, START, nonce=nonce) for nonce in (b"1", b"2"))
    return start_message(replace(proposal, signature_header=other.signature_header), ARGUMENTS)


def _started(**other: object) -> shim_pb2.ChaincodeMessage:
    message = start_message(propose(CLIENT, ARGUMENTS, START), ARGUMENTS)
    for name, value in other.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(_started(txid="00"), id="another transaction id"),
        pytest.param(_started(channel_id="other"), id="another channel"),
        pytest.param(another_nonce(), id="another nonce"),
        pytest.param(_started(payload=b"\xff"), id="arguments that do not decode"),
        pytest.param(_started(payload=b""), id="no arguments"),
        pytest.param(start_message(propose(CLIENT, (b"read", b"other"), START), ARGUMENTS), id="other arguments"),
        pytest.param(shim_pb2.ChaincodeMessage(type="TRANSACTION"), id="no proposal"),
        pytest.param(
            start_message(propose(Member("Org1MSP\0", CLIENT.certificate, CLIENT.key), ARGUMENTS, START), ARGUMENTS),
            id="an MSP id with a separator",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_malformed(message: shim_pb2.ChaincodeMessage) -> None:
    with pytest.raises(Malformed):
        read_transaction(message)


@pytest.mark.parametrize("pem", [b"", b"no certificate", CLIENT.pem * 2, CLIENT.pem[:-40]])
def test_a_creator_without_one_certificate_is_malformed(pem: bytes) -> None:
    with pytest.raises(Malformed):
        certificate_account("Org1MSP", pem)


@given(st.data())
def test_any_bytes_of_a_peer_give_a_transaction_or_malformed(data: st.DataObject) -> None:
    message = start_message(propose(CLIENT, ARGUMENTS, START), ARGUMENTS)
    raw = bytearray(message.proposal.proposal_bytes)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    message.proposal.proposal_bytes = bytes(raw)
    try:
        transaction = read_transaction(message)
    except Malformed:
        return
    assert transaction.arguments == ARGUMENTS
