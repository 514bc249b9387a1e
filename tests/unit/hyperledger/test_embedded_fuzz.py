"""No bytes bring the embedded ledger down: each is refused, or flagged in its block, and the next transaction works."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from adapters.hyperledger.embedded.deliver import Deliver
from adapters.hyperledger.embedded.gateway import Gateway
from adapters.hyperledger.embedded.identities import IdentityRefused
from adapters.hyperledger.embedded.orderer import OrderRefused
from adapters.hyperledger.embedded.policies import parse_policy
from adapters.hyperledger.embedded.qscc import query
from adapters.hyperledger.proto import common_pb2, gateway_pb2, orderer_pb2, peer_pb2
from fabric.core.errors import ConfigError
from tests.support.hl_books import CHANNEL, Books, Parts

PARTS = ["header", "extension", "signer", "proposal", "rwset", "results", "events", "action", "response", "content"]
PARTS += ["data", "payload", "envelope"]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_KNOWN = {grpc.StatusCode.ABORTED, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION}
_KNOWN |= {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}


_RUNNER = asyncio.Runner()
"""One loop for all examples: the ledger waits on it."""


class Aborted(Exception):
    """A call was failed in order."""


class Context:
    """The part of a call's context that the services use."""

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        assert code in _KNOWN
        assert details
        raise Aborted(code, details)

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, bytes]]) -> None:
        assert metadata

    def auth_context(self) -> dict[str, list[bytes]]:
        return {}

    async def send_initial_metadata(self, metadata: Sequence[tuple[str, bytes]]) -> None:
        del metadata


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books.make(tmp_path_factory.mktemp("ledger"))


@dataclass(frozen=True)
class Spoil:
    """How to spoil a message, whatever its length: some of its bytes cut, changed, or put in; or other bytes at all."""

    at: int
    count: int
    new: bytes
    whole: bool

    def __call__(self, valid: bytes) -> bytes:
        if self.whole:
            return self.new
        at = self.at % (len(valid) + 1)
        return valid[:at] + self.new + valid[at + self.count :]


SPOILS = st.builds(Spoil, st.integers(0, 4095), st.integers(0, 8), st.binary(max_size=24), st.booleans())


def _original(parts: Parts, name: str) -> bytes:
    """Returns what a part is when it is not spoiled."""
    found: list[bytes] = []

    class Seen(dict[str, bytes]):
        @override
        def get(self, key: str, default: Any = None) -> Any:
            if key == name:
                found.append(default)
            return default

    replace(parts, spoiled=Seen()).envelope()
    return found[0]


@pytest.mark.parametrize("name", PARTS)
@FUZZ
@given(spoil=SPOILS)
def test_a_spoiled_part_of_a_transaction(books: Books, name: str, spoil: Spoil) -> None:
    parts = books.parts()
    envelope = replace(parts, spoiled={name: spoil(_original(parts, name))}).envelope()
    with suppress(OrderRefused, DecodeError):  # refused; whatever gets into a block all the same is flagged there
        books.ledger.orderer.take(common_pb2.Envelope.FromString(envelope))
    after = books.parts(f"after-{books.count}")
    codes = _RUNNER.run(books.commit(envelope, after.envelope()))
    assert codes[1] == peer_pb2.VALID, "the next one works"
    _RUNNER.run(_read_all(books))


async def _read_all(books: Books) -> None:
    """Reads the newest block as everybody does: whole, filtered, by its events."""
    last = orderer_pb2.SeekPosition()
    last.specified.number = books.channel.height - 1
    seek = orderer_pb2.SeekInfo(start=last, stop=last)
    for method in (Deliver(books.ledger).blocks, Deliver(books.ledger).filtered):
        told = [each async for each in method(_once(_asking(books, seek.SerializeToString())), Context())]
        assert told[-1].status == common_pb2.SUCCESS
        assert len(told) == 2
        assert peer_pb2.DeliverResponse.FromString(told[0].SerializeToString()) == told[0]
    request = gateway_pb2.ChaincodeEventsRequest(channel_id=CHANNEL, chaincode_id="kv", start_position=last)
    request.identity = books.user.encoded
    encoded = request.SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(request=encoded, signature=books.user.sign(encoded))
    async for response in Gateway(books.ledger).chaincode_events(signed, Context()):
        assert response.block_number == last.specified.number
        break


def _asking(books: Books, data: bytes, **spoiled: bytes) -> common_pb2.Envelope:
    about = common_pb2.ChannelHeader(type=common_pb2.DELIVER_SEEK_INFO, channel_id=CHANNEL)
    about.timestamp.seconds = books.clock.unix_seconds()
    header = about.SerializeToString()
    signer = common_pb2.SignatureHeader(creator=books.user.encoded, nonce=b"1").SerializeToString()
    payload = common_pb2.Payload(data=data)
    payload.header.channel_header = spoiled.get("header", header)
    payload.header.signature_header = spoiled.get("signer", signer)
    encoded = spoiled.get("payload", payload.SerializeToString())
    return common_pb2.Envelope(payload=encoded, signature=books.user.sign(encoded))


async def _once(envelope: common_pb2.Envelope) -> AsyncIterator[common_pb2.Envelope]:
    yield envelope


def test_blocks_full_of_spoiled_parts_are_read_again(books: Books) -> None:
    state = books.channel.state
    height = books.channel.height
    again = books.again()
    assert again.channel.state == state
    assert again.channel.height == height
    books.ledger = again.ledger


@pytest.mark.parametrize("name", ["header", "signer", "payload", "seek"])
@FUZZ
@given(spoil=SPOILS)
def test_a_spoiled_question_for_blocks(books: Books, name: str, spoil: Spoil) -> None:
    position = orderer_pb2.SeekPosition()
    position.specified.number = 0
    seek = orderer_pb2.SeekInfo(start=position, stop=position, behavior="FAIL_IF_NOT_READY").SerializeToString()
    usual = _asking(books, seek)
    payload = common_pb2.Payload.FromString(usual.payload)
    whole = {"payload": usual.payload, "header": payload.header.channel_header, "seek": seek}
    spoiled = spoil((whole | {"signer": payload.header.signature_header})[name])
    asked = _asking(books, spoiled) if name == "seek" else _asking(books, seek, **{name: spoiled})

    async def ask() -> int:
        async for response in Deliver(books.ledger).blocks(_once(asked), Context()):
            if response.WhichOneof("Type") == "status":
                return int(response.status)
        pytest.fail("no status")

    async def within() -> int | None:
        try:
            return await asyncio.wait_for(ask(), 0.2)
        except TimeoutError:
            return None  # it asks to wait for a block that is not there

    assert _RUNNER.run(within()) in {None, 200, 400, 403, 404}


@pytest.mark.parametrize("name", ["header", "extension", "signer", "proposal", "data"])
@FUZZ
@given(spoil=SPOILS)
def test_a_spoiled_proposal(books: Books, name: str, spoil: Spoil) -> None:
    parts = books.parts()
    signed = replace(parts, spoiled={name: spoil(_asked(parts, name))}).proposal("set", "k", "v")
    gateway = Gateway(books.ledger)

    async def ask() -> None:
        with suppress(Aborted):
            await gateway.endorse(gateway_pb2.EndorseRequest(proposed_transaction=signed), Context())
        with suppress(Aborted):
            await gateway.evaluate(gateway_pb2.EvaluateRequest(proposed_transaction=signed), Context())

    _RUNNER.run(ask())


def _asked(parts: Parts, name: str) -> bytes:
    proposal = peer_pb2.Proposal.FromString(parts.proposal("set", "k", "v").proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    whole = {"proposal": proposal.payload, "data": proposal.SerializeToString(), "extension": channel.extension}
    return (whole | {"header": header.channel_header, "signer": header.signature_header})[name]


@FUZZ
@given(spoil=SPOILS, signature=st.none() | st.binary(max_size=72))
def test_spoiled_questions_of_the_gateway(books: Books, spoil: Spoil, signature: bytes | None) -> None:
    status = gateway_pb2.CommitStatusRequest(channel_id=CHANNEL, transaction_id="00", identity=books.user.encoded)
    encoded = spoil(status.SerializeToString())
    gateway = Gateway(books.ledger)
    signature = books.user.sign(encoded) if signature is None else signature

    async def ask() -> None:
        signed = gateway_pb2.SignedCommitStatusRequest(request=encoded, signature=signature)
        await asyncio.wait_for(gateway.commit_status(signed, Context()), 0.02)

    async def follow() -> None:
        signed = gateway_pb2.SignedChaincodeEventsRequest(request=encoded, signature=signature)
        async with asyncio.timeout(0.02):
            async for _response in gateway.chaincode_events(signed, Context()):
                return

    for call in (ask, follow):
        try:
            _RUNNER.run(call())
        except (Aborted, TimeoutError):
            continue


@FUZZ
@given(spoil=SPOILS)
def test_spoiled_identities(books: Books, spoil: Spoil) -> None:
    encoded = spoil(books.user.encoded)
    with pytest.raises(IdentityRefused):
        books.ledger.identities.verified(encoded, b"message", b"")
    assert books.ledger.identities.has_ended(encoded) in {True, False}


@FUZZ
@given(st.lists(st.binary(max_size=16), max_size=4))
def test_any_arguments_of_the_system_chaincode(books: Books, args: list[bytes]) -> None:
    names = [b"GetChainInfo", b"GetBlockByNumber", b"GetBlockByTxID", b"GetTransactionByID"]
    for function in (*names, *args[:1]):
        for channel in (CHANNEL.encode(), *args[1:2]):
            assert query(books.channel, [function, channel, *args[2:]]).status in {200, 500}
    assert query(books.channel, args).status in {200, 500}


@FUZZ
@given(st.text(alphabet="ANDORutOf(),'. 123Org1MSP.peer", max_size=60))
def test_any_policy(text: str) -> None:
    with suppress(ConfigError):
        parse_policy(text)
