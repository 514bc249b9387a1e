"""One fabric for all tests that leave it as they found it, and one for those that kill it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from fabric.client import Client
from tests.support.house import House
from tests.support.house_work import PLAIN, binding_of


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A running fabric, shared."""
    shared = House(tmp_path_factory.mktemp("house"))
    try:
        shared.start()
        yield shared
        shared.stop()
    finally:
        shared.close()


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """A client in the operator's name."""
    async with house.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose fabric the tests kill and start again."""
    shared = House(tmp_path_factory.mktemp("fragile"))
    try:
        yield shared
        shared.stop()
    finally:
        shared.close()


@pytest.fixture
async def running(fragile: House) -> House:
    """The fragile house with its fabric running and the binding ``PLAIN`` in force."""
    if not fragile.is_running:
        fragile.start()
    async with fragile.client() as opened:
        await opened.put_binding(binding_of(fragile, PLAIN).document)
    return fragile
