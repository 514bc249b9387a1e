"""The chains on which every test of the contracts runs: the oldest fork that they are compiled for, and the newest."""

from collections.abc import Iterator

import pytest

from tests.integration.ethereum_contracts.chain import FORKS, Chain, anvil
from tests.integration.ethereum_contracts.world import Cryptlet, World


@pytest.fixture(scope="session", params=FORKS)
def chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    with anvil(request.param) as chain:
        yield chain


@pytest.fixture
def world(chain: Chain) -> World:
    """A settlement with one registered enclave."""
    world = World.deploy(chain)
    world.register()
    return world


@pytest.fixture
def probe(world: World) -> Cryptlet:
    """A bound contract cryptlet on that settlement."""
    return Cryptlet.deploy(world)
