"""The shared vectors of the rules through the chaincode's contract, on a channel with Hyperledger's semantics."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import pytest

from adapters.hyperledger.names import MAILBOX, REQUEST, series_entry
from fabric.core.canonical import JsonObject
from fabric.core.clock import FrozenClock
from fabric.ledger.rules import events
from fabric.ledger.rules.batches import verify
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.mailbox_entries import EventEntry
from fabric.ledger.rules.operations import Consume
from fabric.ledger.rules.state import DictState
from fabric.trust.schemes import ED25519
from tests.support.channel import CONFLICT, VALID, Channel, Simulation, genesis
from tests.support.rules_builder import NO_OP, OK, START, Case, Scenario, Step, build, load_scenarios

SCENARIOS = load_scenarios()


def case_of(scenario: Scenario) -> tuple[Case, Channel]:
    """Returns a scenario for a fresh channel, which is founded for it."""
    document = genesis(scenario["name"])
    case = build(scenario, document.destination, ED25519)
    rules = case.genesis
    appraisers = tuple(sorted(rules.appraisers, key=lambda keys: keys.ed25519))
    document = replace(document, appraisers=appraisers, threshold=rules.threshold)
    return case, Channel(FrozenClock(START), document)


def carry_out(channel: Channel, steps: list[Step]) -> Simulation:
    channel.clock.seconds = steps[0].time
    simulation = channel.run(b"apply", *(step.call for step in steps), sender=steps[0].sender)
    assert channel.commit(simulation) == [VALID]
    return simulation


def transactions(case: Case) -> Iterator[list[Step]]:
    """Joins steps that may be one transaction: neighbours of one time and sender."""
    for _, steps in groupby(case.steps, lambda step: (step.time, step.sender, step.answer is None)):
        yield list(steps)


def check_view(case: Case, channel: Channel, step: Step) -> None:
    assert isinstance(step.operation, Consume)
    assert verify(case.genesis, DictState(channel.values()), step.operation) is step.answer


def check_event(channel: Channel, event: events.Event, simulation: Simulation) -> None:
    """Looks an event up by its index: its place among those of all valid transactions."""
    match event:
        case events.Requested(index=index):
            told = channel.requests[index]
            entry = _requested(event, simulation.transaction.time)
            assert told == {"event": "requested", "entry": entry.hex()}
        case events.ChannelOpened() | events.Sent() | events.Delivered() | events.Expired():
            assert channel.mailbox[event.index] == _mailbox(event)
        case _:
            pass


def _requested(event: events.Requested, time: int) -> bytes:
    from fabric.ledger.rules.entries import RequestEntry  # noqa: PLC0415

    fields = (event.invocation, event.requester, event.nonce, event.method, event.input, event.binding)
    return RequestEntry(*fields, event.state_version, time).encoded


def _mailbox(event: events.IndexedEvent) -> JsonObject:
    match event:
        case events.ChannelOpened():
            return {"event": "opened", "channel": event.channel.encoded.hex()}
        case events.Sent():
            body = base64.b64encode(event.body).decode()
            return {"event": "sent", "message": event.message.encoded.hex(), "body": body}
        case events.Delivered():
            return {"event": "delivered", "message": event.message.encoded.hex(), "result": ""}
        case events.Expired():
            return {"event": "expired", "message": event.message.encoded.hex()}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one["name"])
def test_each_step_as_a_transaction_of_its_own(scenario: Scenario) -> None:
    case, channel = case_of(scenario)
    for step in case.steps:
        if step.answer is not None:
            check_view(case, channel, step)
            continue
        simulation = carry_out(channel, [step])
        (outcome,) = simulation.outcomes
        if step.expect in (OK, NO_OP):
            assert outcome is None
            assert bool(simulation.writes) is (step.expect == OK)
        else:
            assert isinstance(outcome, dict)
            assert set(outcome) == {"rule", "reason"}
            assert outcome["rule"] == step.expect
            assert not simulation.writes
        for event in step.events:
            check_event(channel, event, simulation)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one["name"])
def test_neighbouring_steps_as_one_transaction_see_what_those_before_wrote(scenario: Scenario) -> None:
    case, channel = case_of(scenario)
    for steps in transactions(case):
        if steps[0].answer is not None:
            for step in steps:
                check_view(case, channel, step)
            continue
        simulation = carry_out(channel, steps)
        outcomes = [each["rule"] if isinstance(each, dict) else None for each in simulation.outcomes]
        assert outcomes == [None if step.expect in (OK, NO_OP) else step.expect for step in steps]
        for event in (event for step in steps for event in step.events):
            check_event(channel, event, simulation)


def named(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario["name"] == name)


def ready_to_deliver() -> tuple[Case, Channel, Step]:
    """Returns a channel on which the next delivery would succeed, and that delivery."""
    case, channel = case_of(named("mailbox: delivered xor expired"))
    for step in case.steps:
        if step.expect == OK and type(step.operation).__name__ == "Deliver":
            return case, channel, step
        if step.expect in (OK, NO_OP):
            carry_out(channel, [step])
    raise AssertionError


def expiry_of(step: Step) -> tuple[bytes, int]:
    from fabric.ledger.rules.operations import Deliver, Expire  # noqa: PLC0415

    assert isinstance(step.operation, Deliver)
    message = step.operation.delivery.message
    return encode_call(Expire(message)), message.expiry


@pytest.mark.parametrize("first", ["expire", "deliver"])
def test_of_delivery_and_tombstone_endorsed_on_one_state_the_second_is_a_conflict(first: str) -> None:
    _, channel, step = ready_to_deliver()
    expire, expiry = expiry_of(step)
    channel.clock.seconds = expiry
    delivery = channel.run(b"apply", step.call, time=expiry)
    tombstone = channel.run(b"apply", expire, time=expiry + 1)
    assert (delivery.outcomes, tombstone.outcomes) == ([None], [None])
    pair = [tombstone, delivery] if first == "expire" else [delivery, tombstone]
    assert channel.commit(*pair) == [VALID, CONFLICT]
    assert [each["event"] for each in channel.mailbox if each["event"] != "opened"] == [
        "expired" if first == "expire" else "delivered"
    ]


def test_the_same_batch_settled_twice_at_once_takes_effect_once() -> None:
    case, channel = case_of(named("settlement"))
    register, settle = case.steps[:2]
    carry_out(channel, [register])
    channel.clock.seconds = settle.time
    twice = [channel.run(b"apply", settle.call) for _ in range(2)]
    assert channel.commit(*twice) == [VALID, CONFLICT]


def test_requests_of_two_requesters_in_one_block_do_not_conflict() -> None:
    case, channel = case_of(named("requests"))
    alice, bob = case.steps[1], case.steps[2]
    pair = [channel.run(b"apply", step.call, sender=step.sender) for step in (alice, bob)]
    assert channel.commit(*pair) == [VALID, VALID]
    assert len(channel.requests) == 2


def test_two_requests_of_one_requester_in_one_block_conflict_on_its_nonce() -> None:
    case, channel = case_of(named("requests"))
    step = case.steps[0]
    pair = [channel.run(b"apply", step.call, sender=step.sender) for _ in range(2)]
    assert channel.commit(*pair) == [VALID, CONFLICT]


def test_requests_of_one_transaction_lie_under_its_id_and_no_counter_is_stored() -> None:
    case, channel = case_of(named("requests"))
    step = case.steps[0]
    simulation = channel.run(b"apply", step.call, step.call, sender=step.sender)
    assert channel.commit(simulation) == [VALID]
    transaction = simulation.transaction.id
    keys = {key for key in channel.state if key.startswith((REQUEST, MAILBOX))}
    assert keys == {series_entry(REQUEST, transaction, number) for number in (0, 1)}
    assert [channel.state[series_entry(REQUEST, transaction, number)][0].hex() for number in (0, 1)] == [
        each["entry"] for each in channel.requests
    ]


def test_mailbox_entries_lie_under_the_transaction_id() -> None:
    case, channel = case_of(named("mailbox: channels"))
    steps = [step for step in case.steps if step.expect == OK][:1]
    simulation = carry_out(channel, steps)
    entry = EventEntry.decode(channel.state[series_entry(MAILBOX, simulation.transaction.id, 0)][0])
    assert (entry.kind.name, entry.time) == ("OPENED", steps[0].time)
