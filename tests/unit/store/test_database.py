"""Opening: migrations, refusals, durability settings."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, StoreError
from fabric.store.database import open_database
from fabric.store.schema import metadata
from fabric.store.store import Store, open_store
from tests.support.batches import accept, acceptance


async def test_the_migrations_make_exactly_the_schema(store: Store) -> None:
    def differences(connection: object) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))  # type: ignore[arg-type]

    assert await store._database.read(differences) == []


async def test_what_was_stored_is_there_after_reopening(tmp_path: Path) -> None:
    item = accept(0)
    for _ in range(2):
        store = await open_store(f"sqlite:///{tmp_path / 'fabric.db'}", tmp_path / "blobs", FrozenClock())
        if not await store.results([item.invocation.id]):
            await store.enqueue(acceptance([item]))
        await store.aclose()
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock())
    assert (await store.results([item.invocation.id]))[item.invocation.id].outcome == item.outcome
    await store.aclose()
    await store.aclose()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fabric.db"
    database = open_database(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="'9999', which a newer release wrote"):
        open_database(path)
    database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "oracle://x", "://"])
def test_only_a_sqlite_file_is_taken(url: str) -> None:
    with pytest.raises(ConfigError):
        open_database(url)


def test_a_file_that_is_no_database_is_an_error_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "fabric.db"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(StoreError, match="not a database"):
        open_database(path)


def test_a_folder_that_cannot_hold_it_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        open_database(tmp_path / "missing" / "fabric.db")


async def test_a_commit_survives_a_loss_of_power(store: Store) -> None:
    def pragmas(connection: object) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]  # type: ignore[attr-defined]

    assert await store._database.write(pragmas) == ["wal", 2, 1]  # 2 is FULL


async def test_an_error_of_the_work_rolls_back(store: Store) -> None:
    def work(connection: object) -> None:
        connection.exec_driver_sql("INSERT INTO cursors VALUES ('a', x'00')")  # type: ignore[attr-defined]
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await store._database.write(work)
    assert await store.cursors.get("a") == b""


async def test_errors_do_not_repeat_what_was_stored(store: Store) -> None:
    def work(connection: object) -> None:
        connection.exec_driver_sql("INSERT INTO cursors VALUES (?, ?)", ("secret", None))  # type: ignore[attr-defined]

    with pytest.raises(StoreError) as caught:
        await store._database.write(work)
    assert "secret" not in str(caught.value)
