"""What a relay does when a ledger took back what was final, or told something else: nobody goes on by himself."""

from dataclasses import replace

import pytest
import structlog

from fabric.core.errors import Reorged
from fabric.core.ids import DestinationId
from fabric.ledger.fakes.posts import posted
from fabric.ledger.resume import resume
from fabric.ledger.rules.mailbox_entries import MessageState as Closed
from fabric.ledger.watcher import mailbox_of
from fabric.relay.mailroom import stored_event
from fabric.store.mail import MailPage
from fabric.store.values import CursorMove
from tests.support.batches import NOW
from tests.support.relays import DESTINATION, SOURCE, World


@pytest.mark.parametrize("depth", [1, 9], ids=["its delivery", "everything"])
async def test_a_ledger_that_took_back_what_was_final_is_asked_anew(world: World, depth: int) -> None:
    """A delivery is gone with blocks that were final; after a person resumed the ledger it is made again, once."""
    message = world.send()
    await world.watch()
    await world.carry()
    await world.dispatch()
    await world.watch()
    assert world.told(message) == "delivered"
    world.destination.reorg(depth)
    assert world.told(message) == "nothing"
    with pytest.raises(Reorged):
        await world.watch()
    await world.store.halts.put(DESTINATION.id, "a reorg", NOW)
    await world.carry()
    assert (await world.state(message))[1] == "ledger-halted"
    await resume(world.destination, world.store, world.clock, who="local", why="looked at it")
    await world.turn(2)
    world.clock.advance(61)
    await world.turn(4)
    assert await world.state(message) == ("acknowledged", "")
    delivered = [event for event in posted(world.destination.chain.blocks) if event.kind == "delivered"]
    assert len(delivered) == 1


@pytest.mark.parametrize("took_back", [SOURCE.id, DESTINATION.id], ids=["its acknowledgement", "its delivery"])
async def test_a_message_that_had_ended_is_made_whole_after_a_ledger_took_back_what_was_final(
    world: World, took_back: DestinationId
) -> None:
    message = world.send()
    await world.turn(4)
    assert await world.state(message) == ("acknowledged", "")
    runs = len(world.enclave.ran)
    ledger = world.ledgers[took_back]
    ledger.reorg(1)
    assert (world.told(message), world.closed(message)) != ("delivered", Closed.ACKNOWLEDGED)
    await world.store.halts.put(took_back, "a reorg", NOW)
    await resume(ledger, world.store, world.clock, who="local", why="looked at it")
    assert await world.state(message) == ("sent", "ledger-halted")
    for _ in range(6):
        world.clock.advance(15)
        await world.turn(2)
    assert await world.state(message) == ("acknowledged", "")
    assert (world.told(message), world.closed(message)) == ("delivered", Closed.ACKNOWLEDGED)
    delivered = [event for event in posted(world.destination.chain.blocks) if event.kind == "delivered"]
    assert len(delivered) == 1
    assert len(world.enclave.ran) == runs, "what was made is found in the store"
    assert any("resumed" in step.detail for step in await world.store.messages.steps(await world.row(message)))


async def test_a_ledger_whose_events_became_others_is_halted_and_can_be_resumed(world: World) -> None:
    """A node that lied about its mailbox, or a reorg that nothing else showed: nobody goes on by himself."""
    message = world.send()
    await world.source.mailbox_events(b"", 10)
    page = await world.source.mailbox_events(b"", 10)
    lie = replace(page.events[1], subject=replace(message, sequence=7))
    cursor = CursorMove(mailbox_of(SOURCE.id, world.source).cursor, b"")
    events = [stored_event(SOURCE.id, event) for event in (page.events[0], lie)]
    await world.store.mailboxes.store(MailPage(events, cursor), 1)
    with structlog.testing.capture_logs():
        await world.watchers[0].run()  # until the ledger is halted
    halt = await world.store.halts.of(SOURCE.id)
    assert halt
    assert "event 1 of the mailbox" in halt.reason
    await resume(world.source, world.store, world.clock, who="local", why="took another node")
    await world.turn(4)
    assert await world.state(message) == ("acknowledged", "")
