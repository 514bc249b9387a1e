"""Opening: migrations, refusals, durability settings."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, insert, text

from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, StoreError
from fabric.core.ids import FabricId
from fabric.store.database import Conflict, open_database
from fabric.store.schema import cursors, metadata
from fabric.store.store import Store, open_store
from tests.support.batches import accept, acceptance, destination


async def test_the_migrations_make_exactly_the_schema(store: Store) -> None:
    def differences(connection: object) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))  # type: ignore[arg-type]

    assert await store._database.read(differences) == []


async def test_what_was_stored_is_there_after_reopening(database: str, tmp_path: Path) -> None:
    item = accept(0)
    for _ in range(2):
        store = await open_store(database, tmp_path / "blobs", FrozenClock())
        if not await store.results([item.invocation.id]):
            await store.enqueue(acceptance([item]))
        await store.aclose()
    store = await open_store(database, tmp_path / "blobs", FrozenClock())
    assert (await store.results([item.invocation.id]))[item.invocation.id].outcome == item.outcome
    await store.aclose()
    await store.aclose()


def test_a_newer_schema_is_refused(database: str) -> None:
    open_database(database).close()
    engine = create_engine(database if "://" in database else f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="'9999', which a newer release wrote"):
        open_database(database)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "oracle://u:secret@x/y",
        "://",
        "postgresql://u:secret@x",
        "postgresql://u@x:secret",
        "",
        ":memory:",
        "sqlite:///file::memory:?uri=true",
        "host=x dbname=y password=secret",
    ],
)
def test_only_a_file_or_a_servers_database_is_taken(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.__cause__)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_database_is_an_error_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "fabric.db"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(StoreError, match="not a database"):
        open_database(path)


def test_a_folder_that_cannot_hold_it_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        open_database(tmp_path / "missing" / "fabric.db")


async def test_a_commit_survives_a_loss_of_power(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock())

    def pragmas(connection: object) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]  # type: ignore[attr-defined]

    assert await store._database.write(pragmas) == ["wal", 2, 1]  # 2 is FULL
    await store.aclose()


async def test_an_error_of_the_work_rolls_back(store: Store) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(cursors).values(name="a", value=b"0"))
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await store._database.write(work)
    assert await store.cursors.get("a") == b""


async def test_errors_do_not_repeat_what_was_stored(store: Store) -> None:
    def work(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(insert(cursors).values(name="secret", value=b"0"))

    with pytest.raises(Conflict) as caught:
        await store._database.write(work)
    assert "secret" not in str(caught.value)


async def test_a_database_belongs_to_one_fabric(store: Store) -> None:
    mine, other = FabricId(bytes([1]) * 32), FabricId(bytes([2]) * 32)
    await store.claim(mine)
    await store.claim(mine)
    with pytest.raises(ConfigError, match="belongs to fabric 0101"):
        await store.claim(other)
    await store.claim(mine)


async def test_text_of_others_may_hold_any_character(store: Store) -> None:
    await store.halts.put(destination().id, "reverted: \0", 1)
    halt = await store.halts.of(destination().id)
    assert halt
    assert halt.reason.startswith("reverted: ")
