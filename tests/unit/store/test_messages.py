"""Messages in the store: changed over what was read alone; found when due, or when what they wait for moves."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from fabric.core.clock import FrozenClock
from fabric.core.errors import LedgerUnavailable, NotFound, StoreError
from fabric.core.ids import Account, BindingVersion, DestinationId, MessageId, expiry_id, sha256
from fabric.store import database
from fabric.store.mail import (
    MailEvent,
    MailKind,
    MailPage,
    MessageChange,
    MessageRow,
    MessageState,
    Passage,
    Reason,
    Step,
    Tombstone,
)
from fabric.store.outbox import Change
from fabric.store.store import Store, open_store
from fabric.store.values import CursorMove, ExpireBody, Progress, WorkKind, WorkState
from fabric.trust.message import Channel, End, Message, Shown
from tests.support.batches import accept, acceptance, attest, destination, sign

HERE, THERE = destination("a").id, destination("b").id
ACCOUNT = Account(sha256(b"account"))
CHANNEL = Channel.between(
    End(HERE, ACCOUNT, BindingVersion(sha256(b"x")), Shown.PROVEN),
    End(THERE, ACCOUNT, BindingVersion(sha256(b"y")), Shown.PROVEN),
    bytes(32),
)


def message_of(sequence: int) -> Message:
    return Message(CHANNEL.id, HERE, THERE, ACCOUNT, ACCOUNT, sequence, 100, sha256(b"body"))


def event(position: int, kind: MailKind, subject: Channel | Message, place: DestinationId = HERE) -> MailEvent:
    return MailEvent(place, position, kind, subject, b"", 7, position, f"block {position}")


def page(*events: MailEvent, cursor: bytes = b"1") -> MailPage:
    return MailPage(events, CursorMove("mailbox/a", cursor))


async def sent(store: Store, count: int = 1) -> list[MessageRow]:
    events = [event(number + 1, MailKind.SENT, message_of(number)) for number in range(count)]
    await store.mailboxes.store(page(event(0, MailKind.OPENED, CHANNEL), *events), 5)
    return await store.messages.due(0, 100)


async def test_a_change_is_stored_over_the_row_that_it_was_decided_on(store: Store) -> None:
    (row,) = await sent(store)
    passage = Passage(MessageState.DELIVERING, Reason.RUNNING, attempt=1, due=50)
    change = MessageChange(row, passage, Step(9, passage.state, passage.reason))
    assert await store.messages.save([change], 9) == {row.message.id}
    assert await store.messages.save([change], 9) == set()  # a repeat, or another who was slower
    stored = await store.messages.named(row.message.id.hex())
    assert (stored.passage, stored.version, stored.created, stored.changed) == (passage, 1, 5, 9)
    assert [step.state for step in await store.messages.steps(stored)] == ["sent", "delivering"]


async def test_a_decision_without_an_event_that_came_meanwhile_changes_nothing(store: Store) -> None:
    (row,) = await sent(store)
    waiting = MessageChange(row, Passage(reason=Reason.CHANNEL_NOT_OPEN, due=60))
    await store.mailboxes.store(page(event(0, MailKind.OPENED, CHANNEL, THERE)), 6)
    assert await store.messages.save([waiting], 9) == set()
    (fresh,) = await store.messages.due(0, 10)
    await store.messages.save([MessageChange(fresh, Passage(MessageState.DELIVERING, due=60))], 9)
    (running,) = await store.messages.due(60, 10)
    await store.mailboxes.store(page(event(1, MailKind.DELIVERED, row.message, THERE)), 6)
    assert await store.messages.save([MessageChange(running, Passage(MessageState.SENT))], 9) == set()
    assert [one.message for one in await store.messages.due(0, 10)] == [row.message]


async def test_a_message_is_due_by_time_or_when_its_work_has_moved(store: Store) -> None:
    (row,) = await sent(store)
    item = accept(0)
    batch = sign([item], destination("b"))
    await store.enqueue(acceptance([item], [batch]))
    work = batch.header.batch_id
    passage = Passage(MessageState.DELIVERING, due=50, work=work, seen="new")
    await store.messages.save([MessageChange(row, passage)], 9)
    assert await store.messages.due(49, 10) == []
    assert len(await store.messages.due(50, 10)) == 1
    assert await store.messages.soonest() == 50
    heard: list[int] = []
    store.outbox.listen(lambda: heard.append(1))
    (stored,) = await store.outbox.ready(THERE, 0, 10)
    await store.outbox.save([Change(stored, replace(stored.progress, state=WorkState.PREPARED, submission=b"x"))])
    assert len(await store.messages.due(0, 10)) == 1
    assert heard == [1]
    assert (await store.outbox.found(THERE, [work, b"other"]))[work].state is WorkState.PREPARED
    assert await store.outbox.found(HERE, [work]) == {}


async def test_the_longest_due_come_first(store: Store) -> None:
    """Those that come due again and again keep no newer one from its turn."""
    rows = await sent(store, 4)
    again = [MessageChange(row, replace(row.passage, due=30)) for row in rows[:2]]
    await store.messages.save([*again, MessageChange(rows[2], replace(rows[2].passage, due=20))], 9)
    assert [row.message.sequence for row in await store.messages.due(40, 3)] == [3, 2, 0]


OTHER = Channel.between(
    End(HERE, ACCOUNT, BindingVersion(sha256(b"x")), Shown.PROVEN),
    End(DestinationId(sha256(b"elsewhere")), ACCOUNT, BindingVersion(sha256(b"y")), Shown.PROVEN),
    bytes(32),
)


@pytest.mark.parametrize(
    "told",
    [
        [event(1, MailKind.SENT, message_of(0))],
        [event(0, MailKind.OPENED, CHANNEL), event(1, MailKind.SENT, replace(message_of(0), destination=HERE))],
        [event(0, MailKind.OPENED, OTHER), event(1, MailKind.SENT, replace(message_of(0), channel=OTHER.id))],
    ],
    ids=["on no channel", "back to where it came from", "to a ledger beyond another channel"],
)
async def test_a_message_that_travels_no_channel_is_not_believed(store: Store, told: list[MailEvent]) -> None:
    with pytest.raises(LedgerUnavailable, match="travels no channel"):
        await store.mailboxes.store(page(*told), 5)
    assert await store.messages.due(0, 10) == []
    assert await store.cursors.get("mailbox/a") == b""
    assert len(await sent(store)) == 1, "the truth is taken afterwards"


async def test_a_tombstone_is_work_once_and_begins_anew_where_it_was_refused(store: Store) -> None:
    (row,) = await sent(store)
    heard: list[str] = []
    store.listen(THERE, lambda: heard.append("there"))
    name = expiry_id(row.message.id)
    tombstone = Tombstone(row.seq, THERE, name)
    await store.carry([MessageChange(row, Passage(MessageState.EXPIRING, work=name), None, tombstone)])
    (stored,) = await store.outbox.ready(THERE, 0, 10)
    assert (stored.kind, stored.work_id) == (WorkKind.EXPIRE, name)
    assert await store.outbox.bodies([stored]) == {stored.seq: ExpireBody(row.message)}
    assert heard == ["there"]
    refused = Progress(WorkState.REFUSED, 3, 9, b"x", "tx", None, "NotYetExpired")
    await store.outbox.save([Change(stored, refused)])
    (again,) = await store.messages.due(0, 10)
    await store.carry([MessageChange(again, Passage(MessageState.EXPIRING, work=name), None, tombstone)])
    assert await store.outbox.progress(THERE, name) == Progress()
    (row_again,) = await store.messages.due(0, 10)
    await store.carry([MessageChange(row_again, Passage(MessageState.EXPIRING, work=name), None, tombstone)])
    assert (await store.outbox.counts()) == {(THERE, WorkKind.EXPIRE, WorkState.NEW): 1}


async def test_what_waits_for_a_reason_that_is_gone_is_due(store: Store) -> None:
    rows = await sent(store, 3)
    reasons = (Reason.NO_BINDING, Reason.NO_CAPACITY, Reason.NO_BINDING)
    states = (MessageState.SENT, MessageState.SENT, MessageState.REFUNDED)
    changes = [
        MessageChange(row, Passage(state, reason, due=90, not_before=80))
        for row, state, reason in zip(rows, states, reasons, strict=True)
    ]
    await store.messages.save(changes, 9)
    assert await store.messages.hasten({Reason.NO_BINDING})
    assert [row.message.sequence for row in await store.messages.due(0, 10)] == [0]
    assert not await store.messages.hasten({Reason.NO_PROOF})


async def test_others_texts_are_kept_as_every_database_can(store: Store) -> None:
    (row,) = await sent(store)
    step = Step(9, MessageState.SENT, Reason.RECIPIENT_REVERTED, "no\0", locator="x\0")
    await store.messages.save([MessageChange(row, Passage(detail="no\0"), step)], 9)
    stored = await store.messages.named(row.message.id.hex()[:8])
    assert stored.passage.detail == "no\ufffd"
    assert (await store.messages.steps(stored))[-1].locator in {"x\ufffd", "x\0"}


async def test_a_long_trace_shows_its_beginning_and_its_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabric.store.messages.MAX_STEPS", 4)
    (row,) = await sent(store)
    for number in range(9):
        change = MessageChange(row, Passage(), Step(number, MessageState.SENT, Reason.NO_CAPACITY))
        await store.messages.save([change], 9)
        row = await store.messages.named(row.message.id.hex())
    assert [step.time for step in await store.messages.steps(row)] == [5, 0, 7, 8]


async def test_what_was_never_sent_is_not_found(store: Store) -> None:
    await store.mailboxes.store(page(event(0, MailKind.EXPIRED, message_of(0), THERE)), 5)
    with pytest.raises(NotFound):
        await store.messages.named(message_of(0).id.hex())
    assert list(await store.mailboxes.endings([message_of(0).id])) == [message_of(0).id]
    (row,) = await sent(store)  # its source is read later than its destination
    assert row.message == message_of(0)
    assert list(await store.mailboxes.sendings([MessageId(sha256(b"other"))])) == []
    with pytest.raises(StoreError):
        await store.mailboxes.store(page(event(9, MailKind.SENT, CHANNEL)), 5)


async def test_work_of_an_earlier_release_is_there_after_the_migration(tmp_path: Path) -> None:
    path = tmp_path / "fabric.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        body = attest([HERE]).body
        columns = "digest, key_id, result, destinations, signatures, evidence, created"
        values = (body.result.digest, b"k", body.result.encoded, HERE, b"[]", b"e", 1)
        connection.exec_driver_sql(f"INSERT INTO attestations ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
        work = "destination, kind, work_id, attestation, state, attempts, next_attempt, reason"
        row = (HERE, "register", body.result.digest, 1, "new", 0, 0, "")
        connection.exec_driver_sql(f"INSERT INTO outbox ({work}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    engine.dispose()
    store = await open_store(path, tmp_path / "blobs", FrozenClock())
    (stored,) = await store.outbox.ready(HERE, 0, 10)
    assert (stored.kind, stored.work_id) == (WorkKind.REGISTER, body.result.digest)
    await store.aclose()
