"""Whatever somebody changes in the ledger's file, opening names it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.native.entry import Entry
from adapters.native.errors import Tampered
from fabric.core.ids import NOBODY
from fabric.trust.checkpoint import Checkpoint, sign_note
from fabric.trust.merkle import Tree
from tests.support import native
from tests.support.native import ENCLAVE, SEQUENCER, open_native


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A ledger of six entries: one alone, then two, then three in one commit."""
    ledger = await open_native(tmp_path)
    register = native.register(ledger.destination.id)
    settlements = [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in range(5)]
    for work in ([register], settlements[:2], settlements[2:]):
        await ledger.submit(await ledger.prepare(work, []))
    await ledger.aclose()
    return tmp_path / "native.db"


def change(file: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(statement, values).rowcount


def entries(file: Path) -> list[bytes]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute('SELECT entry FROM entries ORDER BY "index"').fetchall()
    return [entry for (entry,) in rows]


async def part(file: Path) -> str:
    with pytest.raises(Tampered) as caught:
        await open_native(file.parent)
    # A refused ledger is not left locked.
    with pytest.raises(Tampered):
        await open_native(file.parent)
    return caught.value.part


async def test_untouched_it_opens(file: Path) -> None:
    await (await open_native(file.parent)).aclose()


@pytest.mark.parametrize(("index", "name"), [(0, "entry 0"), (1, "entries 1 to 2"), (5, "entries 3 to 5")])
async def test_a_flipped_byte_of_an_entry(file: Path, index: int, name: str) -> None:
    data = bytearray(entries(file)[index])
    data[len(data) // 2] ^= 1
    change(file, 'UPDATE entries SET entry = ? WHERE "index" = ?', bytes(data), index)
    assert await part(file) == name


async def test_a_missing_entry(file: Path) -> None:
    change(file, 'DELETE FROM entries WHERE "index" = 3')
    assert await part(file) == "entry 3"


async def test_a_missing_last_entry(file: Path) -> None:
    change(file, 'DELETE FROM entries WHERE "index" = 5')
    assert await part(file) == "entry 5"


async def test_an_entry_that_nobody_signed_for(file: Path) -> None:
    change(file, "INSERT INTO entries VALUES (6, ?)", entries(file)[5])
    assert await part(file) == "entry 6"


async def test_entries_in_another_order(file: Path) -> None:
    first, second = entries(file)[1:3]
    change(file, 'UPDATE entries SET entry = ? WHERE "index" = 1', second)
    change(file, 'UPDATE entries SET entry = ? WHERE "index" = 2', first)
    assert await part(file) == "entries 1 to 2"


async def test_a_removed_commit_at_the_end_leaves_its_state(file: Path) -> None:
    change(file, 'DELETE FROM entries WHERE "index" > 2')
    change(file, "DELETE FROM checkpoints WHERE size = 6")
    assert (await part(file)).startswith("state batch/")


async def test_a_changed_state(file: Path) -> None:
    change(file, "UPDATE state SET value = zeroblob(288) WHERE CAST(key AS TEXT) LIKE 'key/%'")
    assert await part(file) == f"state key/{ENCLAVE.public.ed25519.hex()}"


async def test_a_removed_state(file: Path) -> None:
    change(file, "DELETE FROM state WHERE CAST(key AS TEXT) LIKE 'key/%'")
    assert await part(file) == f"state key/{ENCLAVE.public.ed25519.hex()}"


async def test_an_added_state(file: Path) -> None:
    change(file, "INSERT INTO state VALUES (CAST('intent/00' AS BLOB), zeroblob(64))")
    assert await part(file) == "state intent/00"


@pytest.mark.parametrize("size", [0, 3, 6])
async def test_a_changed_checkpoint(file: Path, size: int) -> None:
    change(file, "UPDATE checkpoints SET note = replace(note, '/native/', '/nativf/') WHERE size = ?", size)
    assert await part(file) == f"checkpoint {size}"


async def test_a_checkpoint_of_another_size(file: Path) -> None:
    change(file, "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 3) WHERE size = 6")
    assert await part(file) == "checkpoint 6"


async def test_no_checkpoints(file: Path) -> None:
    change(file, "DELETE FROM checkpoints WHERE size = 0")
    assert await part(file) == "checkpoint 0"


async def test_an_entry_that_the_rules_refuse_is_no_entry_whoever_signed_for_it(file: Path) -> None:
    """A sequencer that logs a refused or repeated call, under a checkpoint of its own, is found out as well."""
    repeated = Entry.decode(entries(file)[5])
    extra = Entry(6, repeated.time, repeated.envelope).encoded
    origin = native.genesis().origin
    checkpoint = Checkpoint(origin, 7, Tree.over([*entries(file), extra]).root)
    note = sign_note(checkpoint, SEQUENCER.public.ed25519, SEQUENCER.sign_message(checkpoint.body))
    change(file, "INSERT INTO entries VALUES (6, ?)", extra)
    change(file, "INSERT INTO checkpoints VALUES (7, ?)", note)
    assert await part(file) == "entry 6"


async def test_an_entry_that_is_changed_under_a_running_sequencer_is_not_proven(file: Path) -> None:
    ledger = await open_native(file.parent)
    assert len(await ledger.receipts([1, 2])) == 2
    data = bytearray(entries(file)[2])
    data[len(data) // 2] ^= 1
    change(file, 'UPDATE entries SET entry = ? WHERE "index" = 2', bytes(data))
    assert await ledger.receipts([1])
    with pytest.raises(Tampered, match="entry 2"):
        await ledger.receipts([1, 2])
    await ledger.aclose()
