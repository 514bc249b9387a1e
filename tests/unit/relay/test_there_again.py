"""What a message waited for may be there again: it is taken up then, however long its pause would have been."""

import pytest

from fabric.core.errors import NoCapacity, StoreError
from fabric.relay.relay import AT_ENCLAVE, AT_LEDGER
from fabric.store.mail import Reason
from tests.support.relays import World


@pytest.mark.parametrize("is_new_start", [False, True])
async def test_a_message_does_not_sit_out_its_pause_when_an_enclave_is_there_again(
    world: World, *, is_new_start: bool
) -> None:
    world.enclave.fails = NoCapacity("every enclave is busy")
    message = world.send(life=10_000)
    await world.turn()
    while (await world.row(message)).passage.tries < 8:
        world.clock.advance(30)
        await world.turn()
    assert (await world.row(message)).passage.not_before > world.clock.unix_seconds() + 60
    world.enclave.fails = None
    await world.turn()
    assert await world.state(message) == ("delivering", "no-capacity")
    if is_new_start:
        world.restart()
    else:
        world.relay.there_again(AT_ENCLAVE)
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")


async def test_what_is_there_again_is_not_forgotten_when_the_store_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.store.messages, "hasten", broken)
    with pytest.raises(StoreError):
        await world.relay.step()
    world.relay.there_again(AT_LEDGER)
    taken: list[Reason] = []

    async def hasten(reasons: frozenset[Reason]) -> bool:
        taken.extend(sorted(reasons))
        return False

    monkeypatch.setattr(world.store.messages, "hasten", hasten)
    await world.relay.step()
    await world.relay.step()
    assert taken == sorted(AT_ENCLAVE | AT_LEDGER)


async def broken(_reasons: frozenset[Reason]) -> bool:
    raise StoreError("the disk is full")
