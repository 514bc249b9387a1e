"""Whoever changes what lies on the disk is named or refused; nobody is given wrong data."""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from fabric.bundles.build import build
from fabric.client import Call, Client, RemoteError
from fabric.core.crashpoint import CrashPoint
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import DestinationId, InvocationId, sha256
from fabric.gateway.kinds import load_kind
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from registry.folder import FolderRegistry
from registry.publish import publish
from tests.support.house import House
from tests.support.house_work import (
    PLAIN,
    assert_settled_once,
    binding_of,
    deploy_shipment,
    document,
    integrator_of,
    invocation_of,
    settle_calls,
    wait_final,
    wait_until,
)
from tests.support.projects import COLD_CHAIN, FINGERPRINT, PUBLISHER, SAMPLES, write_project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SAMPLE: Final = (SAMPLES / "good.csv").read_bytes()
FLIPS: Final = 300
"""Bytes of a proof that are changed, one after the other."""
LEDGER_EXIT: Final = 6
"""Exit code of a command that a ledger stopped."""


@contextmanager
def changed(path: Path, at: int | None = None) -> Iterator[None]:
    """Flips one bit in the middle of a file, or elsewhere, for as long as the block lasts."""
    data = path.read_bytes()
    at = len(data) // 2 if at is None else at
    path.write_bytes(flipped(data, at))
    try:
        yield
    finally:
        path.write_bytes(data)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@dataclass(frozen=True)
class Proven:
    """A judged shipment that is final on both ledgers, and its proofs by ledger."""

    invocation: InvocationId
    proofs: dict[str, bytes]
    policy: bytes


@pytest.fixture
async def judged(house: House, client: Client) -> InvocationId:
    """A shipment of this test's own: its file is a blob, its batch holds nothing else."""
    await client.put_binding(binding_of(house, "judged", project=COLD_CHAIN, methods=["judge"]).document)
    key = f"judged-{random.SystemRandom().getrandbits(64)}"
    reply = await client.invoke("judged", [Call("judge", own_sample(key), key)])
    (result,) = await wait_final(client, [invocation_of(reply.answers[0])])
    return InvocationId(result.answer.invocation)


def own_sample(key: str) -> bytes:
    """Returns the sample with a line break more or less for each key: another file, hence another blob."""
    return SAMPLE + b"\n" * (sha256(key.encode())[0] + 1)


async def proven(house: House, client: Client, invocation: InvocationId) -> Proven:
    proofs = {
        name: await client.proof(invocation, item.destination.id) for name, item in house.endpoint.ledgers.items()
    }
    return Proven(invocation, proofs, (house.state / "policy.json").read_bytes())


async def test_a_changed_bundle_is_refused_by_name_when_it_is_bound(
    house: House, client: Client, tmp_path: Path
) -> None:
    wheel = build(write_project(tmp_path / "greeter", name="greeter")).wheel
    measurement, _ = publish(wheel, FolderRegistry(house.registry), PUBLISHER)
    house.measurements[tmp_path] = measurement
    binding = binding_of(house, "greeting", project=tmp_path, methods=["greet"])
    for name in (f"bundles/{measurement.hex()}.whl", f"publications/{measurement.hex()}.json"):
        with changed(house.registry / name), pytest.raises(RemoteError, match=name) as caught:
            await client.put_binding(binding.document)
        assert (caught.value.status, caught.value.remote_code) == ("FAILED_PRECONDITION", "verification")
    # The refusal is of the file, not of the name: the right bytes are taken.
    assert await client.put_binding(binding.document) == binding.version


async def test_a_changed_logger_file_is_named_and_its_request_waits_for_the_right_one(
    house: House, client: Client
) -> None:
    data = own_sample("waits")
    async with integrator_of(house) as integrator:
        contract = await deploy_shipment(house, integrator, client, "waits-for-its-file")
        digest = await client.put_blob(data)
        with changed(blob(house, digest)):
            invocation = await contract.request(digest)

            async def reason() -> str:
                rows = select(house, "SELECT state, reason FROM requests WHERE invocation = ?", invocation)
                return str(rows[0][1]) if rows and str(rows[0][0]) == "waiting-for-input" else ""

            assert digest.hex() in await wait_until(reason)
            with pytest.raises(RemoteError, match="no result"):
                await client.result(invocation)
        assert await client.put_blob(data) == digest
        await wait_final(client, [invocation])
        state = await contract.read()
    assert state["fileDigest"] == digest.hex()
    assert state["stateVersion"] == 1


async def test_a_changed_input_is_named_instead_of_proven(house: House, client: Client, judged: InvocationId) -> None:
    ((digest,),) = select(house, "SELECT input_digest FROM invocations WHERE id = ?", judged)
    native = house.endpoint.ledgers["native"].destination.id
    with changed(blob(house, digest)), pytest.raises(RemoteError, match=digest.hex()) as caught:
        await client.proof(judged, native)
    assert (caught.value.status, caught.value.remote_code) == ("FAILED_PRECONDITION", "verification")
    assert await client.proof(judged, native)


@pytest.mark.parametrize(
    ("table", "column", "key"),
    [
        ("invocations", "output", "id = :invocation"),
        ("batches", "records", "seq = :batch"),
        ("batches", "details", "seq = :batch"),
        ("batches", "header", "seq = :batch"),
        ("batches", "signatures", "seq = :batch"),
        ("bindings", "document", "name = 'judged'"),
        ("outbox", "receipt", "batch = :batch AND kind = 'settle'"),
    ],
)
async def test_no_changed_row_makes_a_proof(
    house: House, client: Client, judged: InvocationId, table: str, column: str, key: str
) -> None:
    policy = Policy.parse((house.state / "policy.json").read_bytes())
    for item in house.endpoint.ledgers.values():
        destination = item.destination.id
        batch = batch_of(house, judged, destination)
        verify(await client.proof(judged, destination), policy, load_kind)
        with (
            changed_cell(house, table, column, key.replace(":batch", str(batch)), judged),
            pytest.raises(RemoteError, match="was changed in the database") as caught,
        ):
            await client.proof(judged, destination)
        assert (caught.value.status, caught.value.remote_code) == ("FAILED_PRECONDITION", "row-tampered")


async def test_a_changed_result_is_given_to_nobody(house: House, client: Client, judged: InvocationId) -> None:
    with (
        changed_cell(house, "invocations", "output", "id = :invocation", judged),
        pytest.raises(RemoteError, match=f"result of invocation {judged.hex()}") as caught,
    ):
        await client.result(judged)
    assert (caught.value.status, caught.value.remote_code) == ("FAILED_PRECONDITION", "row-tampered")
    assert (await client.result(judged)).answer.invocation == judged


async def test_no_changed_byte_of_a_proof_is_accepted(house: House, client: Client, judged: InvocationId) -> None:
    found = await proven(house, client, judged)
    policy = Policy.parse(found.policy)
    for name, proof in found.proofs.items():
        verify(proof, policy, load_kind)
        places = random.Random(name).sample(range(len(proof)), FLIPS)  # noqa: S311 - repeatable
        for at in places:
            with pytest.raises(VerificationError):
                verify(flipped(proof, at), policy, load_kind)


async def test_a_policy_with_other_roots_refuses_the_proof(house: House, client: Client, judged: InvocationId) -> None:
    found = await proven(house, client, judged)
    fields = json.loads(found.policy)
    other = "07" * 32
    strangers: dict[str, object] = {
        "fabrics": [other],
        "measurements": [other],
        "isolation": ["none"],
        "minimum_assurance": "hardware",
        "appraisers": [{"address": "07" * 20, "ed25519": other}],
        "publishers": [{"key": other, "names": ["*"]}],
        "destinations": [],
    }
    for name, proof in found.proofs.items():
        for field, value in strangers.items():
            with pytest.raises((VerificationError, Malformed)) as caught:
                verify(proof, Policy.parse(json.dumps(fields | {field: value}).encode()), load_kind)
            step = getattr(caught.value, "step", "policy")
            assert step == "policy", (name, field, caught.value)
        with pytest.raises(VerificationError, match="consistent, not trusted"):
            verify(proof, None, load_kind)


@pytest.mark.fault
async def test_work_that_was_changed_before_it_was_sent_takes_effect_on_no_ledger(running: House) -> None:
    house = running
    async with house.client() as client:
        house.crash_file.write_text(CrashPoint.AFTER_ENQUEUE)
        with pytest.raises(RemoteError):
            await client.invoke(PLAIN, [document(0, "changed-in-the-outbox")])
    house.wait_killed()
    with closing(sqlite3.connect(house.state / "fabric.db")) as database, database:
        sequence = database.execute("SELECT seq, header FROM batches ORDER BY seq DESC LIMIT 2").fetchall()
        for seq, header in sequence:
            database.execute("UPDATE batches SET header = ? WHERE seq = ?", (flipped(header, len(header) - 1), seq))
    house.start()
    async with house.client() as client:
        (answer,) = (await settle_calls(client, PLAIN, [document(0, "changed-in-the-outbox")])).values()

        async def reasons() -> list[str]:
            query = "SELECT reason FROM outbox WHERE batch IN (?, ?) AND reason <> '' ORDER BY reason"
            found = [reason for (reason,) in select(house, query, *(seq for seq, _ in sequence))]
            return found if len(found) == len(sequence) else []

        for reason in await wait_until(reasons):
            assert reason.startswith("settle ")
            assert "was changed in the database" in reason
        statuses = [anchor.status for anchor in (await client.result(invocation_of(answer))).anchors]
        assert all(status.startswith("refused: settle ") for status in statuses)
        # The next batch is none the worse for it, and nothing of the changed one is on a ledger.
        good = await settle_calls(client, PLAIN, [document(1, "after-the-changed-one")])
    await assert_settled_once(house, good.values())


@pytest.mark.fault
async def test_what_was_changed_while_the_fabric_was_down_is_named(running: House) -> None:
    running.kill()
    # A ledger that was changed is not served at all.
    path = running.state / "ledgers/native/native.db"
    with closing(sqlite3.connect(path)) as database, database:
        ((index, entry),) = database.execute('SELECT "index", entry FROM entries ORDER BY "index" DESC LIMIT 1')
        database.execute('UPDATE entries SET entry = ? WHERE "index" = ?', (flipped(entry, len(entry) // 2), index))
    running.spawn()
    assert running.wait_exit() == LEDGER_EXIT
    assert f"entry {index}" in running.tail() or f"to {index}" in running.tail()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute('UPDATE entries SET entry = ? WHERE "index" = ?', (entry, index))
    # A bundle that was changed does not run.
    name, calls = f"bundles/{running.measurements[FINGERPRINT].hex()}.whl", [document(2, "of-a-changed-bundle")]
    running.start()
    async with running.client() as client:
        with changed(running.registry / name), pytest.raises(RemoteError, match=name) as caught:
            await client.invoke(PLAIN, calls)
        assert (caught.value.status, caught.value.remote_code) == ("FAILED_PRECONDITION", "verification")
        answers = await settle_calls(client, PLAIN, calls)
    await assert_settled_once(running, answers.values())


def blob(house: House, digest: bytes) -> Path:
    return house.state / "blobs" / digest.hex()[:2] / digest.hex()


def select(house: House, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(house.state / "fabric.db")) as database:
        return database.execute(query, values).fetchall()


def batch_of(house: House, invocation: InvocationId, destination: DestinationId) -> object:
    query = (
        "SELECT batches.seq FROM batches JOIN records ON records.batch = batches.seq"
        " JOIN invocations ON invocations.seq = records.invocation WHERE invocations.id = ? AND batches.destination = ?"
    )
    return select(house, query, invocation, destination)[0][0]


@contextmanager
def changed_cell(house: House, table: str, column: str, where: str, invocation: InvocationId) -> Iterator[None]:
    """Flips one bit of a cell, in the row that the test made, for as long as the block lasts."""
    named = {"invocation": invocation} if ":invocation" in where else {}
    with closing(sqlite3.connect(house.state / "fabric.db")) as database:
        ((value,),) = database.execute(f"SELECT {column} FROM {table} WHERE {where}", named).fetchall()  # noqa: S608
        change = f"UPDATE {table} SET {column} = :value WHERE {where}"  # noqa: S608 - names of this file
        with database:
            database.execute(change, named | {"value": flipped(value, len(value) // 2)})
        try:
            yield
        finally:
            with database:
                database.execute(change, named | {"value": value})
