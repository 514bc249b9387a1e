"""A batch through the real enclave: bundle, containers, records, signatures; and what breaks nothing but itself."""

import asyncio

import pytest

from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import sha256
from fabric.core.model import Failure
from fabric.enclave.client import EnclaveClient, EnclaveRefused
from fabric.enclave.launch import EnclaveProcess
from fabric.trust import eip712
from fabric.trust.batch import Header, header_of, tree_of
from fabric.trust.merkle import leaf_hash, root_from_inclusion
from fabric.trust.schemes import ED25519, EIP712, Signature, is_valid
from fabric.trust.statement import check_statement
from fabric.wire.codec import decode_reply
from fabric.wire.frames import read_frame
from tests.support.enclaves import EPOCH, ETHEREUM, ISOLATION, binding, fingerprint, invocation

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]
BINDING = binding()


async def loaded(enclave: EnclaveProcess) -> EnclaveClient:
    """Returns a client of an enclave that has the bundle of `fingerprint`."""
    client = enclave.client()
    assert await client.load(*fingerprint()) == BINDING.measurement
    return client


def holds(signature: Signature, header: Header) -> bool:
    """Says whether a signature of either scheme is of its key and this header."""
    return is_valid(signature, header.encoded, lambda: eip712.header_digest(header, ETHEREUM))


async def test_three_invocations_of_which_one_fails(enclave: EnclaveProcess) -> None:
    described = await enclave.describe()
    calls = (
        invocation(1, b'{"document":[1,2]}'),
        invocation(2, b"nonsense"),
        invocation(3, b'{"document":"three"}', caller="bolt"),
    )
    async with await loaded(enclave) as client:
        result = await client.run(BINDING.document, calls)
    first, second, third = result.outcomes
    assert canonical.decode(first.output or b"") == {"sha256": sha256(b"[1,2]").hex(), "size": 5}
    assert canonical.decode(third.output or b"") == {"sha256": sha256(b'"three"').hex(), "size": 7}
    assert second.failure is not None
    assert second.failure.code == "malformed"

    native, ethereum = result.batches
    assert [item.scheme for item in native.signatures] == [ED25519]
    assert [item.scheme for item in ethereum.signatures] == [ED25519, EIP712]
    for batch in result.batches:
        records = [entry.record for entry in batch.entries]
        assert [record.invocation for record in records] == [calls[0].id, calls[2].id]
        assert header_of(records, EPOCH) == batch.header
        for index, entry in enumerate(batch.entries):
            path = tree_of(records).inclusion(index)
            assert root_from_inclusion(leaf_hash(entry.record.encoded), index, 2, path) == batch.header.root
            check_statement(canonical.decode_object(entry.statement), entry.record)
        for item in batch.signatures:
            assert item.key in (described.keys.ed25519, described.keys.address)
            assert holds(item, batch.header)


async def test_a_rerun_gives_the_same_records(enclave: EnclaveProcess) -> None:
    calls = (invocation(1, b'{"document":1}'), invocation(2, b'{"document":2}'))
    async with await loaded(enclave) as client:
        first = await client.run(BINDING.document, calls)
        again = await client.run(BINDING.document, calls)
    assert [batch.header for batch in first.batches] == [batch.header for batch in again.batches]
    assert first.batches[0].entries == again.batches[0].entries


async def test_batches_of_many_connections_run_at_the_same_time(enclave: EnclaveProcess) -> None:
    async def one(number: int) -> list[bytes]:
        async with await loaded(enclave) as client:
            calls = tuple(invocation(number * 100 + at, b'{"document":%d}' % at) for at in range(20))
            result = await client.run(BINDING.document, calls)
        assert [item.invocation for item in result.outcomes] == [call.id for call in calls]
        return [item.output or b"" for item in result.outcomes]

    outputs = await asyncio.gather(*(one(number) for number in range(4)))
    assert all(found == outputs[0] for found in outputs)


async def test_a_bundle_that_is_not_loaded_has_a_code(enclave: EnclaveProcess) -> None:
    other = binding(measurement="11" * 32)
    async with enclave.client() as client:
        with pytest.raises(EnclaveRefused) as caught:
            await client.run(other.document, (invocation(1, b"{}"),))
    assert caught.value.failure.code == "unknown-bundle"


async def test_a_tampered_bundle_is_refused_by_name(enclave: EnclaveProcess) -> None:
    wheel, publication = fingerprint()
    async with enclave.client() as client:
        with pytest.raises(EnclaveRefused, match=r"fingerprint@1\.0\.0 is not the published one"):
            await client.load(wheel[:-1] + b"x", publication)


async def test_garbage_gets_a_failure_and_the_next_is_served(enclave: EnclaveProcess) -> None:
    async with enclave.client() as client:
        for data in (b"", b"\xff" * 50, b"\x12\x00\x99", bytes(1 << 20)):
            reply = decode_reply(await client.ask_bytes(data))
            assert isinstance(reply, Failure)
        assert (await client.describe()).isolation == ISOLATION


async def test_an_oversize_frame_is_refused_unread(enclave: EnclaveProcess) -> None:
    reader, writer = await asyncio.open_unix_connection(enclave.socket)
    writer.write((1 << 31).to_bytes(4, "big"))
    reply = decode_reply(await read_frame(reader, 1 << 16) or b"")
    assert isinstance(reply, Failure)
    assert reply.code == Malformed.code
    assert await reader.read() == b""
    writer.close()
