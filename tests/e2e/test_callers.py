"""Who may do what: keys, bindings, other callers' results; and requests that are none."""

import dataclasses

import grpc
import grpc.aio
import pytest

from fabric.client import Call, Client, RemoteError
from fabric.core.ids import DestinationId, Digest, InvocationId
from fabric.store.blobs import MAX_BYTES
from fabric.trust.binding import write_binding
from fabric.wire.service import MAX_CALLS, SERVICE, InvokeRequest
from tests.support.house import House
from tests.support.house_work import binding_of, document, each, invocation_of, wait_final
from tests.support.projects import FINGERPRINT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
async def alice(house: House, client: Client) -> None:
    """A binding that names alice and nobody else."""
    await client.put_binding(binding_of(house, "of-alice", callers=["alice"]).document)


def refusal(caught: pytest.ExceptionInfo[RemoteError]) -> tuple[str, str]:
    return caught.value.status, caught.value.remote_code


async def test_an_unknown_key_is_unauthenticated(house: House) -> None:
    async with Client(house.endpoint.target, "a key that nobody has") as stranger:
        with pytest.raises(RemoteError) as caught:
            await stranger.invoke("of-alice", [document(1)])
        assert refusal(caught) == ("UNAUTHENTICATED", "unauthenticated")
        with pytest.raises(RemoteError) as caught:
            [_ async for _ in stranger.stream(each([InvokeRequest("of-alice", (document(1),))]))]
        assert refusal(caught) == ("UNAUTHENTICATED", "unauthenticated")
        with pytest.raises(RemoteError) as caught:
            await stranger.put_blob(b"x")
        assert refusal(caught) == ("UNAUTHENTICATED", "unauthenticated")


def _raw(channel: grpc.aio.Channel, method: str) -> "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]":
    """Returns a method that takes whatever bytes it is given."""
    return channel.unary_unary(f"/{SERVICE}/{method}")


async def test_a_request_without_a_key_is_unauthenticated(house: House) -> None:
    async with grpc.aio.insecure_channel(house.endpoint.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _raw(channel, "Invoke")(b"")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.usefixtures("alice")
async def test_a_caller_whom_the_binding_does_not_name_is_denied(house: House) -> None:
    async with house.client("bob") as bob:
        with pytest.raises(RemoteError, match="does not name caller 'bob'") as caught:
            await bob.invoke("of-alice", [document(1)])
    assert refusal(caught) == ("PERMISSION_DENIED", "unauthorized")


async def test_a_caller_whom_a_newer_binding_leaves_out_is_denied_under_the_older_too(
    house: House, client: Client
) -> None:
    older = binding_of(house, "left-out", callers=["alice", "bob"])
    version = (await client.put_binding(older.document)).hex()
    async with house.client("alice") as alice, house.client("bob") as bob:
        (answer,) = (await bob.invoke(version, [document(1, "left-out-1")])).answers
        assert answer.failure is None
        await client.put_binding(binding_of(house, "left-out", callers=["alice"]).document)
        with pytest.raises(RemoteError, match="does not name caller 'bob'") as caught:
            await bob.invoke(version, [document(2, "left-out-2")])
        assert refusal(caught) == ("PERMISSION_DENIED", "unauthorized")
        (answer,) = (await alice.invoke(version, [document(3, "left-out-3")])).answers
        assert answer.failure is None


async def test_an_unknown_binding_is_not_found(house: House) -> None:
    async with house.client("alice") as alice:
        with pytest.raises(RemoteError, match="no binding 'nowhere'") as caught:
            await alice.invoke("nowhere", [document(1)])
    assert refusal(caught) == ("NOT_FOUND", "not-found")


async def test_only_the_operator_puts_bindings(house: House) -> None:
    async with house.client("alice") as alice:
        with pytest.raises(RemoteError, match="no operator") as caught:
            await alice.put_binding(binding_of(house, "mine").document)
    assert refusal(caught) == ("PERMISSION_DENIED", "unauthorized")


async def test_a_binding_that_cannot_be_served_is_refused(house: House, client: Client) -> None:
    with pytest.raises(RemoteError, match=r"did you mean 'document'|no method 'docment'") as caught:
        await client.put_binding(binding_of(house, "bad-method", methods=["docment"]).document)
    assert caught.value.remote_code == "not-found"
    house_without = dataclasses.replace(binding_of(house, "no-bundle"), document=b"{}")
    with pytest.raises(RemoteError) as caught:
        await client.put_binding(house_without.document)
    assert refusal(caught) == ("INVALID_ARGUMENT", "malformed")
    elsewhere = write_binding(
        {
            "callers": [],
            "cryptlet": "fingerprint@1.0.0",
            "destinations": [{"codec": {"kind": "json"}, "consume": False, "id": "07" * 32, "recipient": "00" * 32}],
            "measurement": house.measurements[FINGERPRINT].hex(),
            "methods": ["document"],
            "name": "elsewhere",
            "requesters": [],
            "valid_seconds": 60,
        }
    )
    with pytest.raises(RemoteError, match="no ledger here is 0707") as caught:
        await client.put_binding(elsewhere.document)
    assert refusal(caught) == ("FAILED_PRECONDITION", "refused")


@pytest.mark.usefixtures("alice")
async def test_results_are_their_callers_and_proofs_come_when_they_are_final(house: House) -> None:
    native, ethereum = (house.endpoint.ledgers[name].destination.id for name in ("native", "ethereum"))
    async with house.client("alice") as alice, house.client("bob") as bob:
        reply = await alice.invoke("of-alice", [document(2)])
        invocation = invocation_of(reply.answers[0])
        # A block takes a second and two must follow it: nothing is final the moment it is answered.
        with pytest.raises(RemoteError, match="ask again later") as caught:
            await alice.proof(invocation, ethereum)
        assert refusal(caught) == ("UNAVAILABLE", "proof-not-ready")
        for ask in (bob.result(invocation), bob.proof(invocation, native)):
            with pytest.raises(RemoteError) as caught:
                await ask
            assert refusal(caught) == ("NOT_FOUND", "not-found")
        (result,) = await wait_final(alice, [invocation])
        assert {anchor.ledger: anchor.status for anchor in result.anchors} == {
            "native": "operator-final",
            "ethereum": "final",
        }
        assert await alice.proof(invocation, ethereum)
        with pytest.raises(RemoteError) as caught:
            await alice.proof(invocation, DestinationId(Digest(bytes(32))))
        assert refusal(caught) == ("NOT_FOUND", "not-found")
        with pytest.raises(RemoteError) as caught:
            await alice.result(InvocationId(Digest(bytes(32))))
        assert refusal(caught) == ("NOT_FOUND", "not-found")


@pytest.mark.usefixtures("alice")
async def test_requests_that_are_none_are_refused_whole(house: House) -> None:
    async with house.client("alice") as alice:
        for calls in ([], [document(number) for number in range(MAX_CALLS + 1)]):
            with pytest.raises(RemoteError, match=f"expected 1 to {MAX_CALLS} calls") as caught:
                await alice.invoke("of-alice", calls)
            assert refusal(caught) == ("INVALID_ARGUMENT", "malformed")
        with pytest.raises(RemoteError) as caught:
            await alice.put_blob(bytes(MAX_BYTES + 1))
        assert refusal(caught) == ("RESOURCE_EXHAUSTED", "oversize")


async def test_bytes_that_are_no_message_are_refused(house: House) -> None:
    metadata = (("authorization", "Bearer the key of alice"),)
    async with grpc.aio.insecure_channel(house.endpoint.target) as channel:
        for method in ("Invoke", "GetResult", "GetProof", "PutBlob", "PutBinding"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _raw(channel, method)(b"\xff\xff\xff", metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, method
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _raw(channel, "Sign")(b"", metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.usefixtures("alice")
async def test_a_bad_message_ends_its_stream_and_no_other(house: House) -> None:
    good = InvokeRequest("of-alice", (document(3),))
    async with house.client("alice") as alice, house.client("alice") as other:
        with pytest.raises(RemoteError) as caught:
            [_ async for _ in alice.stream(each([good, InvokeRequest("nowhere", (document(4),)), good]))]
        assert refusal(caught) == ("NOT_FOUND", "not-found")
        replies = [reply async for reply in other.stream(each([good]))]
        assert invocation_of(replies[0].answers[0])
        reply = await alice.invoke("of-alice", [Call("document", b'{"document":3}', "document-3")])
        assert reply.answers == replies[0].answers
