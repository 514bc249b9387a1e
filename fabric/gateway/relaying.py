"""Messages between the fabric's ledgers: one relay, and a watcher for each ledger that has a mailbox."""

from collections.abc import Sequence
from functools import partial
from typing import Final, cast

from fabric.core.clock import Clock
from fabric.core.crashpoint import Reached
from fabric.core.ids import FabricId
from fabric.gateway.ledgers import Ledgers, Working
from fabric.invoke.pipeline import Pipeline
from fabric.ledger.dispatcher import Dispatcher
from fabric.ledger.port import MailboxSource
from fabric.ledger.watcher import Watcher, mailbox_of
from fabric.relay.lookout import Lookout, Post
from fabric.relay.mailroom import Mailroom
from fabric.relay.model import RELAY_CALLER, Trouble
from fabric.relay.relay import AT_LEDGER, Relay
from fabric.trust.binding import Binding
from fabric.wire.service import Answer, Call, InvokeRequest

POLL_SECONDS: Final = 0.2
"""Time between two questions for what others did, at most; shorter around the time of a block."""


def start_relay(fabric: FabricId, ledgers: Ledgers, pipeline: Pipeline, clock: Clock, reached: Reached) -> Relay:
    """Starts to follow every mailbox and to carry what is sent; the loops end with the ledgers."""
    posts = {item.ledger.destination.id: post for item in ledgers.working if (post := _post(item))}
    lookout = Lookout(fabric, posts, ledgers.store, clock)
    relay = Relay(lookout, ledgers.store, partial(_run, pipeline), clock, reached=reached)
    ledgers.store.outbox.listen(relay.wake)
    ledgers.run("relay", relay.run)
    for item in ledgers.working:
        post = posts.get(item.ledger.destination.id)
        if post is None:
            continue
        watched = mailbox_of(post.destination.id, post.source)
        room = Mailroom(watched, ledgers.store, clock, relay.wake, reached)
        watcher = Watcher(watched, ledgers.store, room.accept, clock, poll_seconds=POLL_SECONDS)
        watcher.listen(partial(relay.there_again, AT_LEDGER))
        # What this fabric itself did is read at once; what others did, at the next question.
        ledgers.store.outbox.listen(watcher.wake)
        ledgers.wakers.setdefault(item.name, []).append(watcher.wake)
        item.run("mailbox", watcher.run)
    return relay


def _post(item: Working) -> Post | None:
    source = _mailbox(item)
    if source is None:
        return None
    return Post(item.ledger.destination, source, item.asserted, partial(_trouble, item.dispatcher))


def _mailbox(item: Working) -> MailboxSource | None:
    return cast("MailboxSource", item.ledger) if hasattr(item.ledger, "mailbox_events") else None


def _trouble(dispatcher: Dispatcher) -> Trouble | None:
    error = dispatcher.trouble
    return Trouble(error.code, str(error)) if error else None


async def _run(pipeline: Pipeline, binding: Binding, calls: Sequence[Call]) -> Sequence[Answer]:
    reply = await pipeline.invoke(RELAY_CALLER, binding, InvokeRequest(binding.name, tuple(calls)))
    return reply.answers
