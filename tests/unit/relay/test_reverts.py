"""An account that refuses costs the relayer so many attempts and no more."""

import pytest

from fabric.core.errors import NoCapacity
from fabric.ledger.rules import operations
from fabric.relay.reasons import MAX_REVERTS, advice_of, is_given_up
from fabric.store.mail import NEVER
from tests.support.relays import World
from tests.unit.relay.test_relay import Reverted, refuse


async def test_a_recipient_that_goes_on_refusing_costs_so_much_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relayer pays for each attempt; a person may ask for more of them, and expiry needs nobody."""
    left = refuse(monkeypatch, operations.Deliver, 1_000, Reverted())
    message = world.send(life=100_000)
    await world.hours(3)
    assert await world.state(message) == ("sent", "recipient-reverted")
    assert 1_000 - left[0] == MAX_REVERTS
    passage = (await world.row(message)).passage
    assert (passage.reverts, passage.not_before) == (MAX_REVERTS, NEVER)
    assert is_given_up(passage)
    assert advice_of(passage).startswith(f"it was refused {MAX_REVERTS} times and is not tried again by itself")
    await world.relay.retry(message.id, "the recipient was put right")
    await world.hours(3)
    assert 1_000 - left[0] == 2 * MAX_REVERTS
    world.clock.advance(100_000)
    await world.turn(4)
    assert await world.state(message) == ("refunded", "")
    assert 1_000 - left[0] == 2 * MAX_REVERTS


async def test_a_sender_that_goes_on_refusing_costs_so_much_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = refuse(monkeypatch, operations.Acknowledge, MAX_REVERTS, Reverted())
    message = world.send(life=100_000)
    await world.hours(6)
    assert await world.state(message) == ("delivered", "sender-reverted")
    assert left == [0]  # the next one would be taken, and is not made
    assert "cryptlet relay retry MSG" in advice_of((await world.row(message)).passage)
    await world.relay.retry(message.id, "the sender was put right")
    await world.turn(3)
    assert await world.state(message) == ("acknowledged", "")


async def test_only_refusals_of_the_account_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else held a message up, it has all its tries."""
    world.enclave.fails = NoCapacity("every enclave is busy")
    message = world.send(life=1_000_000)
    await world.hours(6)
    assert (await world.row(message)).passage.tries > MAX_REVERTS
    world.enclave.fails = None
    left = refuse(monkeypatch, operations.Deliver, MAX_REVERTS - 1, Reverted())
    await world.hours(3)
    assert left == [0]
    assert await world.state(message) == ("acknowledged", "")
