"""The disk under a whole running fabric is full, state, logs and ledgers alike: it refuses, and goes on by itself."""

from collections.abc import Iterator

import pytest

from fabric.client import RemoteError
from tests.support.full_disk import Disk, disk, needs_mount
from tests.support.house import House
from tests.support.house_work import (
    PLAIN,
    assert_settled_once,
    binding_of,
    document,
    keyed,
    settle_calls,
    wait_until,
)

pytestmark = [pytest.mark.e2e, pytest.mark.fault, needs_mount, pytest.mark.timeout(600)]

MEGABYTES = 512
"""Ray's logs, its sockets, the ledgers and the database have room in it."""


REFUSED = ("UNAVAILABLE", "store", "safe")


@pytest.fixture
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Disk]]:
    """A running fabric whose state folder is a small disk of its own."""
    house = House(tmp_path_factory.mktemp("cramped"))
    with disk(house.state, MEGABYTES) as mounted:
        try:
            house.start()
            yield house, mounted
            house.stop()
        finally:
            house.close()


async def test_a_full_disk_is_refused_cleanly_and_healed_without_a_restart(cramped: tuple[House, Disk]) -> None:
    house, mounted = cramped
    pid = house.pid
    async with house.client() as client:
        await client.put_binding(binding_of(house, PLAIN).document)
        early = await settle_calls(client, PLAIN, [document(number, f"early-{number}") for number in range(4)])
        mounted.fill()
        refused = 0
        for number in range(6):
            calls = [document(number, f"full-{number}-{at}-" + "x" * 150) for at in range(64)]
            for key, answer in keyed(calls, (await client.invoke(PLAIN, calls)).answers).items():
                if answer.failure is None:  # some may find room in pages that are there
                    early[key] = answer
                    continue
                refused += 1
                assert (answer.failure.code, answer.retry) == ("store", "safe")
        with pytest.raises(RemoteError) as caught:
            await client.put_blob(b"z" * (1 << 20))
        assert (caught.value.status, caught.value.remote_code, caught.value.remote_retry) == REFUSED
        assert refused
        mounted.free()

        async def is_well() -> bool:
            try:
                await client.put_blob(b"z" * (1 << 20))
            except RemoteError:
                return False
            return True

        await wait_until(is_well)
        late = await settle_calls(client, PLAIN, [document(number, f"late-{number}") for number in range(4)])
    assert (house.pid, house.is_running) == (pid, True)
    await assert_settled_once(house, [*early.values(), *late.values()])
