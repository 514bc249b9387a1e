"""What only a server can do: be held by another gateway, go away and come back, lie about its disk."""

import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, text

from fabric.cli.doctor import folders
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, StoreError
from fabric.core.finding import Level
from fabric.store.database import open_database
from fabric.store.schema import cursors
from fabric.store.store import Store, open_store
from fabric.store.values import WorkKind, WorkState
from tests.support.batches import accept, acceptance, destination, sign
from tests.support.postgres import Server

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    name = secrets.token_hex(8)
    yield server.make(name)
    server.drop(name)


async def opened(url: str, tmp_path: Path) -> Store:
    return await open_store(url, tmp_path / "blobs", FrozenClock())


async def fill(store: Store, number: int) -> None:
    items = [accept(number)]
    await store.enqueue(acceptance(items, [sign(items, destination())]))


async def stored(store: Store) -> int:
    return (await store.outbox.counts()).get((destination().id, WorkKind.SETTLE, WorkState.NEW), 0)


async def test_a_second_gateway_is_refused_by_name(url: str, tmp_path: Path) -> None:
    store = await opened(url, tmp_path)
    with pytest.raises(StoreError, match=r"in use by 'cryptlet gateway, pid \d+ on .*' at the same machine, since 2"):
        await opened(url, tmp_path)
    await store.aclose()
    await (await opened(url, tmp_path)).aclose()


async def test_a_gateway_that_lost_its_session_writes_nothing_beside_the_next_one(
    server: Server, url: str, tmp_path: Path
) -> None:
    store = await opened(url, tmp_path)
    with server.session() as session:
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (_name(url),))
    other = await opened(url, tmp_path)
    with pytest.raises(StoreError, match="in use by"):
        await fill(store, 0)
    await fill(other, 0)
    assert await stored(store) == await stored(other) == 1
    for one in (store, other):
        await one.aclose()


async def test_a_server_that_was_started_anew_is_not_noticed(url: str, tmp_path: Path, server: Server) -> None:
    store = await opened(url, tmp_path)
    await fill(store, 0)
    server.stop(signal.SIGQUIT)
    try:
        with pytest.raises(StoreError, match="the database cannot be opened: OperationalError: connection"):
            await stored(store)
        with pytest.raises(StoreError):
            await fill(store, 1)
    finally:
        server.start()
    assert await stored(store) == 1
    await fill(store, 1)
    server.stop(signal.SIGQUIT)
    server.start()
    await fill(store, 2)  # its session broke while nobody used it
    assert await stored(store) == 3
    await store.aclose()


async def test_work_runs_once_more_where_its_session_broke_before_the_commit(
    server: Server, url: str, tmp_path: Path
) -> None:
    store = await opened(url, tmp_path)
    seen: list[int] = []

    def work(connection: Connection) -> None:
        seen.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        connection.execute(insert(cursors).values(name="a", value=b"0"))
        if len(seen) == 1:
            with server.session() as session:
                session.execute("SELECT pg_terminate_backend(%s, 10000)", (seen[0],))
        connection.execute(insert(cursors).values(name="b", value=b"0"))

    await store._database.write(work)
    assert len(set(seen)) == 2
    assert await store.cursors.get("a") == await store.cursors.get("b") == b"0"
    await store.aclose()


def test_a_server_that_may_lose_what_it_committed_is_refused() -> None:
    server = Server()
    try:
        server.start(fsync="off")
        with pytest.raises(ConfigError, match="fsync = off"):
            open_database(server.make("careless"))
    finally:
        server.close()


def test_a_doctor_finds_the_server_as_it_is(url: str) -> None:
    (fresh,) = folders.server(url)
    assert (fresh.level, fresh.said) == (Level.OK, "the server answers, nothing is stored yet")
    held = open_database(url)  # a fabric that runs keeps nobody from looking
    try:
        (found,) = folders.server(url)
        assert (found.level, "schema" in found.said) == (Level.OK, True)
    finally:
        held.close()
    (gone,) = folders.server("postgresql://fabric:secret@127.0.0.1:1/fabric")
    assert (gone.level, "correct `store`" in gone.fix, "secret" in gone.said) == (Level.FAIL, True, False)


def test_no_password_is_in_an_error(url: str) -> None:
    secret = secrets.token_hex(16)
    nowhere = f"postgresql://fabric:{secret}@127.0.0.1:1/fabric"
    wrong = url.replace("fabric@", f"nobody:{secret}@")
    for each in (nowhere, wrong, url.replace(_name(url), "missing").replace("fabric@", f"fabric:{secret}@")):
        with pytest.raises(StoreError) as caught:
            open_database(each)
        error: BaseException | None = caught.value
        while error is not None:
            assert secret not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]
