"""The shared scenarios of tests/vectors/rules.json on chain: Solidity does what the Python rules do."""

import dataclasses
from typing import Any, Final

import pytest
from web3.contract.contract import ContractFunction

from fabric.ledger.rules.events import (
    Acknowledged,
    ChannelOpened,
    CodeRevocationSet,
    Consumed,
    Delivered,
    Event,
    Expired,
    KeyStatusSet,
    Registered,
    Requested,
    Sent,
    Settled,
)
from fabric.ledger.rules.operations import (
    Acknowledge,
    AppraiserOperation,
    Consume,
    Deliver,
    Expire,
    MailboxOperation,
    OpenChannel,
    Register,
    Request,
    RevokeCode,
    Send,
    SetKeyStatus,
    Settle,
)
from fabric.trust.destination import Destination
from fabric.trust.message import Message
from fabric.trust.schemes import EIP712
from tests.integration.ethereum_contracts.chain import Chain
from tests.integration.ethereum_contracts.world import World, account
from tests.support.rules_builder import NO_OP, OK, Scenario, Step, build, load_scenarios

pytestmark = pytest.mark.ethereum

START_AFTER: Final = 100
NAMES: Final[dict[type, tuple[str, ...]]] = {
    Registered: ("key", "result", "epoch", "assurance", "notAfter"),
    KeyStatusSet: ("key", "state", "deadline"),
    CodeRevocationSet: ("measurement", "since"),
    Settled: ("batch", "key", "count", "root"),
    Consumed: ("intent", "batch", "invocation", "recipient"),
    Requested: (
        *("index", "invocation", "requester", "nonce"),
        *("method", "input", "binding", "stateVersion"),
    ),
    Acknowledged: ("message", "outcome", "result"),
}
SCENARIOS: Final = {scenario["name"]: scenario for scenario in load_scenarios()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(chain: Chain, name: str) -> None:
    scenario = SCENARIOS[name]
    world = World.deploy(chain, scenario["appraisers"], scenario["threshold"])
    for step in _steps(scenario, world.destination, chain):
        place = f"step {step.number}"
        call, sender = _call(world, step), "0x" + step.sender[12:].hex()
        if step.answer is not None:
            assert call.call() is step.answer, place
        elif step.expect in (OK, NO_OP):
            sent = chain.send(call, sender=_sender(chain, sender), at=step.time)
            assert list(sent.events) == [_expected(event) for event in step.events], place
        else:
            refusal = chain.refusal(call, sender=_sender(chain, sender), at=step.time)
            assert refusal.name == step.expect, place


def _steps(scenario: Scenario, destination: Destination, chain: Chain) -> tuple[Step, ...]:
    names = zip(("alice", "bob"), chain.accounts[1:], strict=False)
    accounts = {name: account(address) for name, address in names}
    start = chain.time + START_AFTER
    return build(scenario, destination, EIP712, start=start, accounts=accounts).steps


def _call(world: World, step: Step) -> ContractFunction:
    functions = world.functions
    match step.operation:
        case Register() | SetKeyStatus() | RevokeCode() as operation:
            return _appraisers_call(world, operation)
        case Settle(header=header, signature=signature):
            return functions.settle(header.encoded, signature.value)
        case Consume(record=record, batch=batch, index=index, path=path):
            function = functions.consume if step.answer is None else functions.verify
            return function(record.encoded, batch, index, path)
        case Request(method=method, input=digest, binding=binding, state_version=version):
            return functions.request(method, digest, binding, version)
        case operation:
            return _mailbox_call(world, operation)


def _appraisers_call(world: World, operation: AppraiserOperation) -> ContractFunction:
    functions, signatures = world.functions, [one.value for one in operation.signatures]
    match operation:
        case Register(result=result, destinations=destinations):
            return functions.register(result.encoded, destinations, signatures)
        case SetKeyStatus(status=status):
            return functions.setKeyStatus(status.encoded, signatures)
        case RevokeCode(revocation=revocation):
            return functions.revokeCode(revocation.encoded, signatures)


def _mailbox_call(world: World, operation: MailboxOperation) -> ContractFunction:
    functions = world.functions
    match operation:
        case OpenChannel(channel=channel):
            return functions.openChannel(channel.encoded)
        case Send(message=message, body=body):
            return functions.send(message.encoded, body)
        case Deliver(record=record, payload=payload, batch=batch, index=index, path=path):
            return functions.deliver(record.encoded, payload, batch, index, path)
        case Acknowledge(record=record, payload=payload, batch=batch, index=index, path=path):
            return functions.acknowledge(record.encoded, payload, batch, index, path)
        case Expire(message=message):
            return functions.expire(message.encoded)


def _sender(chain: Chain, address: str) -> str:
    """Returns the account of a step, or any where the rules do not look at it."""
    known = {one.lower(): one for one in chain.accounts}
    return known.get(address, chain.accounts[0])


def _expected(event: Event) -> tuple[str, dict[str, Any]]:
    """Returns an event of the rules under the names of the contract."""
    name = type(event).__name__
    match event:
        case ChannelOpened(index=index, channel=channel, account=who):
            words = {"words": channel.encoded, "account": "0x" + who[12:].hex()}
            return name, {"index": index, "channel": channel.id} | words
        case Sent(index=index, message=message, body=body):
            return name, _told(index, message) | {"body": body}
        case Delivered(index=index, message=message, result=result):
            return name, _told(index, message) | {"result": result}
        case Expired(index=index, message=message):
            return name, _told(index, message)
        case _:
            return name, dict(zip(NAMES[type(event)], _values(event), strict=True))


def _told(index: int, message: Message) -> dict[str, Any]:
    return {"index": index, "message": message.id, "channel": message.channel, "words": message.encoded}


def _values(event: Event) -> list[Any]:
    """Returns an event's fields in their order; an account is an address here."""
    accounts = {"recipient", "requester"}
    fields = [(one.name, getattr(event, one.name)) for one in dataclasses.fields(event)]
    return ["0x" + value[12:].hex() if name in accounts else value for name, value in fields]
