"""Turns a scenario of tests/vectors/rules.json into concrete operations for one deployment.

A scenario is symbolic: it names keys, accounts and batches, and gives times as offsets from a start. Both
implementations of the rules run it: Python (``tests/unit/rules``) and Solidity (``tests/integration/ethereum``)::

    for scenario in load_scenarios():
        case = build(scenario, destination, EIP712, start=now, accounts={"alice": ..., "bob": ...})
        deploy(case.genesis)
        for step in case.steps: ...

Expected events are computed here from the scenario alone, never by the rules.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from fabric.core.ids import (
    NOBODY,
    Account,
    BindingVersion,
    ChannelId,
    DestinationId,
    Digest,
    FabricId,
    IntentId,
    InvocationId,
    Measurement,
    intent_id,
    method_word,
    request_id,
    sha256,
)
from fabric.ledger.rules import events
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.operations import (
    Acknowledge,
    AppraiserOperation,
    Consume,
    Deliver,
    Expire,
    OpenChannel,
    Operation,
    Register,
    Request,
    RevokeCode,
    Send,
    SetKeyStatus,
    Settle,
)
from fabric.ledger.rules.state import Genesis
from fabric.trust import eip712
from fabric.trust.attestation import Assurance, AttestationResult, KeyState, KeyStatus, destinations_digest
from fabric.trust.batch import Header, tree_of
from fabric.trust.destination import Destination
from fabric.trust.letter import Acknowledgement, Delivery
from fabric.trust.message import Channel, End, Ending, Message, Shown
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import ED25519, Signature
from tests.support.seeded_keys import SeededKeys

VECTORS: Final = Path(__file__).resolve().parents[1] / "vectors" / "rules.json"
START: Final = 1_800_000_000
ACCOUNTS: Final[Mapping[str, Account]] = {
    name: Account(sha256(f"account {name}".encode())[:20].rjust(32, b"\0")) for name in ("alice", "bob")
}
"""Default accounts: EVM addresses as words. A caller whose ledger knows others gives its own."""
OK: Final = "ok"
NO_OP: Final = "no-op"

_CODE: Final = "cryptlet measurement"

Scenario = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step, concrete.

    Attributes:
        number: position in the scenario, from 0.
        time: the ledger's time at which it is carried out, Unix seconds; never decreases within a scenario.
        sender: account that sends it.
        operation: what is asked; of ``verify`` the consumption whose inclusion is asked.
        call: the operation's canonical JSON; ``b""`` of a ``verify``.
        expect: ``ok``, ``no-op`` (a success without event), or the code of the refusal.
        events: the events of an ``ok``.
        answer: of ``verify`` the answer, otherwise None.
    """

    number: int
    time: int
    sender: Account
    operation: Operation
    call: bytes
    expect: str
    events: tuple[events.Event, ...]
    answer: bool | None


@dataclass(frozen=True)
class Case:
    """A concrete scenario: what to deploy, and what to do then."""

    name: str
    genesis: Genesis
    steps: tuple[Step, ...]


def load_scenarios() -> list[Scenario]:
    """Reads the committed scenarios."""
    scenarios: list[Scenario] = json.loads(VECTORS.read_text())["scenarios"]
    return scenarios


def build(
    scenario: Scenario,
    destination: Destination,
    scheme: str,
    *,
    start: int = START,
    accounts: Mapping[str, Account] = ACCOUNTS,
) -> Case:
    """Makes a scenario concrete.

    Args:
        scenario: one of ``load_scenarios()``.
        destination: the deployment under test; every scenario needs a fresh one, or one whose state is empty.
        scheme: the signature scheme that the deployment checks.
        start: what the offsets count from, Unix seconds.
        accounts: words of the accounts ``alice`` and ``bob``.
    """
    return _Builder(scenario, destination, scheme, start, accounts).case()


@cache
def party(name: str) -> SeededKeys:
    """Returns the keys of a named party."""
    return SeededKeys(name)


def genesis_of(scenario: Scenario, destination: Destination, scheme: str) -> Genesis:
    """Returns the genesis that a scenario asks for."""
    appraisers = tuple(party(name).public for name in scenario["appraisers"])
    return Genesis(destination, appraisers, scenario["threshold"], scheme)


@dataclass(frozen=True)
class _Builder:
    scenario: Scenario
    destination: Destination
    scheme: str
    start: int
    accounts: Mapping[str, Account]

    def case(self) -> Case:
        genesis = genesis_of(self.scenario, self.destination, self.scheme)
        steps = tuple(self._step(number, step) for number, step in enumerate(self.scenario["steps"]))
        return Case(self.scenario["name"], genesis, steps)

    def _step(self, number: int, step: Scenario) -> Step:
        operation = getattr(self, f"_{step['op']}")(step)
        expect = step["expect"]
        if isinstance(expect, dict):
            expect = expect[self.scheme]
        is_view = step["op"] == "verify"
        return Step(
            number=number,
            time=self.start + step["at"],
            sender=self.accounts[step["sender"]] if "sender" in step else NOBODY,
            operation=operation,
            call=b"" if is_view else encode_call(operation),
            expect=OK if is_view else expect,
            events=(self._event(step, operation),) if expect == OK and not is_view else (),
            answer=expect if is_view else None,
        )

    def _register(self, step: Scenario) -> Operation:
        committed = [self._place(name) for name in _claimed(step, "committed", "destinations")]
        result = AttestationResult(
            keys=party(step["keys"]).public,
            fabric=Measurement(_word("fabric measurement")),
            isolation="vectors",
            assurance=Assurance[step.get("assurance", "SOFTWARE")],
            epoch=step["epoch"],
            not_before=self.start + step["not_before"],
            not_after=self.start + step["not_after"],
            destinations=destinations_digest(committed),
            evidence=_word("evidence"),
        )
        given = sorted(self._place(name) for name in step["destinations"])
        signed = replace(result, epoch=999) if step.get("spoil") == "other-message" else result
        signatures = self._signatures(step, signed.encoded, signed.typed_digest)
        return Register(result, tuple(given), signatures)

    def _set_key_status(self, step: Scenario) -> Operation:
        deadline = 0 if step["deadline"] is None else self.start + step["deadline"]
        status = KeyStatus(party(step["keys"]).public, KeyState[step["state"]], deadline)
        signed = replace(status, deadline=999) if step.get("spoil") == "other-message" else status
        return SetKeyStatus(status, self._signatures(step, signed.encoded, signed.typed_digest))

    def _revoke_code(self, step: Scenario) -> Operation:
        since = self.start + step["since"] if step["since"] is not None else 1
        revocation = CodeRevocation(Measurement(_word(step["code"])), since)
        signed = replace(revocation, since=999) if step.get("spoil") == "other-message" else revocation
        return RevokeCode(revocation, self._signatures(step, signed.encoded, signed.typed_digest))

    def _settle(self, step: Scenario) -> Operation:
        header = self.header(step["batch"])
        signed = replace(header, epoch=999) if step.get("spoil") == "other-message" else header
        digest = eip712.header_digest(signed, self.destination)
        signature = party(step["by"]).signature(self.scheme, signed.encoded, digest)
        return Settle(header, _spoiled(signature, step))

    def _consume(self, step: Scenario) -> Operation:
        records = self.records(step["batch"])
        index = step["index"]
        path = tree_of(records).inclusion(index)
        if step.get("spoil") == "path":
            path = [Digest(_word("spoiled")), *path[1:]]
        if step.get("spoil") == "path-too-short":
            path = path[:-1]
        if step.get("spoil") == "path-too-long":
            path = [*path, Digest(_word("spoiled"))]
        record = records[index]
        if step.get("spoil") == "record":
            record = replace(record, output=Digest(_word("spoiled")))
        batch = self.header(_claimed(step, "as_batch", "batch")).batch_id
        return Consume(record, batch, _claimed(step, "as_index", "index"), tuple(path))

    _verify = _consume

    def _request(self, step: Scenario) -> Operation:
        return Request(
            method_word(step["method"]),
            _word(f"input {step['input']}"),
            BindingVersion(_word(f"binding {step['binding']}")),
            step["state_version"],
        )

    def _open_channel(self, step: Scenario) -> Operation:
        return OpenChannel(self.channel(step["channel"]))

    def _send(self, step: Scenario) -> Operation:
        body = self.body(step["message"])
        return Send(self.message(step["message"]), b"spoiled" if step.get("spoil") == "body" else body)

    def _deliver(self, step: Scenario) -> Operation:
        letter = self._letter(step)
        assert isinstance(letter, Delivery)
        record, *place = self._place_of(step)
        return Deliver(record, letter, *place)

    def _acknowledge(self, step: Scenario) -> Operation:
        letter = self._letter(step)
        assert isinstance(letter, Acknowledgement)
        record, *place = self._place_of(step)
        return Acknowledge(record, letter, *place)

    def _expire(self, step: Scenario) -> Operation:
        return Expire(self.message(step["message"]))

    def _place_of(self, step: Scenario) -> Any:  # noqa: ANN401 - what ``_consume`` gives, in the order of its fields
        made = self._consume(step)
        assert isinstance(made, Consume)
        return made.record, made.batch, made.index, made.path

    def _letter(self, step: Scenario) -> Delivery | Acknowledgement:
        """Returns the payload of the record that a step brings, changed where the step says so."""
        one = self.scenario["batches"][step["batch"]]["records"][step["index"]]
        letter = self.letter(one)
        if step.get("spoil") == "body" and isinstance(letter, Delivery):
            return replace(letter, body=b"spoiled")
        return replace(letter, shown=Shown.PROVEN) if step.get("spoil") == "shown" else letter

    def _event(self, step: Scenario, operation: Operation) -> events.Event:
        match operation:
            case Register() | SetKeyStatus() | RevokeCode():
                return _word_of_appraisers(operation)
            case Settle(header=header):
                signer = party(step["by"]).public.id
                return events.Settled(header.batch_id, signer, header.count, header.root)
            case Consume(record=record, batch=batch):
                return events.Consumed(record.intent, batch, record.invocation, record.recipient)
            case Request():
                return self._requested(step, operation)
            case _:
                return self._mailbox_event(step, operation)

    def _mailbox_event(self, step: Scenario, operation: Operation) -> events.Event:
        match operation:
            case OpenChannel(channel=channel):
                return events.ChannelOpened(step["event"], channel, self.accounts[step["sender"]])
            case Send(message=message, body=body):
                return events.Sent(step["event"], message, body)
            case Deliver(delivery=delivery):
                return events.Delivered(step["event"], delivery.message, b"")
            case Acknowledge(acknowledgement=word):
                return events.Acknowledged(word.message.id, word.ending, word.result)
            case Expire(message=message):
                return events.Expired(step["event"], message)
            case _:
                raise AssertionError(operation)

    def _requested(self, step: Scenario, operation: Request) -> events.Requested:
        sender, nonce = self.accounts[step["sender"]], step["nonce"]
        words = (operation.method, operation.input, operation.binding)
        invocation = request_id(self.destination.id, sender, nonce, *words)
        return events.Requested(step["index"], invocation, sender, nonce, *words, operation.state_version)

    def channel(self, name: str) -> Channel:
        """Returns a named channel: its own end is an account here, its other end one elsewhere."""
        one = self.scenario["channels"][name]
        accepts = Shown[one.get("accepts", "PROVEN")]
        account = self.accounts[one["account"]]
        own = End(self._place(one.get("own", "own")), account, BindingVersion(_word("binding")), accepts)
        there = End(self._place("elsewhere"), _other(one), BindingVersion(_word("their binding")), Shown.PROVEN)
        return Channel.between(own, there, _word(f"salt {name}"))

    def message(self, name: str) -> Message:
        """Returns a named message: to the channel's own end, or from it where the scenario says ``out``."""
        one = self.scenario["messages"][name]
        channel = self.scenario["channels"][one["channel"]]
        own = (self._place("own"), self.accounts[one.get("account", channel["account"])])
        there = (self._place(one.get("place", "elsewhere")), _other(one if "other" in one else channel))
        source, destination = (own, there) if one.get("out") else (there, own)
        return Message(
            channel=ChannelId(self.channel(one["channel"]).id),
            source=source[0],
            destination=destination[0],
            sender=source[1],
            recipient=destination[1],
            sequence=one.get("sequence", 0),
            expiry=self.start + one.get("expiry", 1_000),
            body=sha256(self.body(name)),
        )

    def body(self, name: str) -> bytes:
        """Returns the body of a named message."""
        return (f"body {name}" * 10_000).encode()[: self.scenario["messages"][name].get("size", 40)]

    def letter(self, one: Scenario) -> Delivery | Acknowledgement:
        """Returns the payload of a record that a mailbox takes."""
        shown = Shown[one.get("shown", "PROVEN")]
        message = self.message(one["message"])
        if "ending" not in one:
            return Delivery(shown, message, self.body(one["message"]))
        ending = Ending[one["ending"]]
        result = b"result" if ending is Ending.DELIVERED else b""
        return Acknowledgement(shown, ending, self.start + 500, message, result)

    def header(self, name: str) -> Header:
        """Returns the header of a named batch."""
        batch = self.scenario["batches"][name]
        records = self.records(name)
        destination = self._place(batch.get("destination", "own"))
        count = batch.get("count", len(records))
        return Header(destination, batch["epoch"], count, tree_of(records).root)

    def records(self, name: str) -> list[Record]:
        """Returns the records of a named batch."""
        return [self._record(one) for one in self.scenario["batches"][name]["records"]]

    def _record(self, one: Scenario) -> Record:
        name = one["name"]
        destination = self._place(one.get("destination", "own"))
        invocation = InvocationId(_word(f"invocation {one.get('invocation', name)}"))
        intent = intent_id(invocation, destination)
        if one.get("intent") == "wrong":
            intent = IntentId(_word("wrong intent"))
        recipient = one.get("recipient", "mailbox" if "message" in one else "alice")
        letter = self.letter(one) if "message" in one else None
        method = "judge" if letter is None else "deliver" if isinstance(letter, Delivery) else "acknowledge"
        return Record(
            fabric=FabricId(_word("fabric id")),
            destination=destination,
            recipient=self._recipient(recipient),
            measurement=Measurement(_word(one.get("code", _CODE))),
            binding=BindingVersion(_word(one.get("binding", "binding"))),
            method=method_word(one.get("method", method)),
            caller=Account(_word("caller")),
            invocation=invocation,
            intent=intent,
            input=_word(f"input {name}"),
            output=_word(f"output {name}"),
            payload=sha256(letter.encoded) if letter else _word(f"payload {name}"),
            statement=_word(f"statement {name}"),
            state_version=one.get("state_version", 0),
            as_of=self.start,
            not_after=self.start + one.get("not_after", 10_000),
        )

    def _recipient(self, name: str) -> Account:
        if name == "mailbox":
            return Account(self.destination.settlement)
        return NOBODY if name == "nobody" else self.accounts[name]

    def _signatures(self, step: Scenario, message: bytes, digest: Digest) -> tuple[Signature, ...]:
        made = [party(name).signature(self.scheme, message, digest) for name in step["signers"]]
        made.sort(key=lambda one: one.key, reverse=step.get("order") == "descending")
        return tuple(_spoiled(one, step) for one in made)

    def _place(self, name: str) -> DestinationId:
        return self.destination.id if name == "own" else DestinationId(_word(f"destination {name}"))


def _word_of_appraisers(operation: AppraiserOperation) -> events.Event:
    match operation:
        case Register(result=result):
            fields = (result.epoch, result.assurance, result.not_after)
            return events.Registered(result.keys.id, result.digest, *fields)
        case SetKeyStatus(status=status):
            return events.KeyStatusSet(status.keys.id, status.state, status.deadline)
        case RevokeCode(revocation=revocation):
            return events.CodeRevocationSet(revocation.measurement, revocation.since)


def _other(one: Scenario) -> Account:
    return Account(_word(f"account {one.get('other', 'carol')} elsewhere"))


def _claimed(step: Scenario, claim: str, truth: str) -> Any:  # noqa: ANN401 - whatever the scenario holds
    """Returns what a step claims, where that is not the truth."""
    return step[claim if claim in step else truth]


def _spoiled(signature: Signature, step: Scenario) -> Signature:
    """Makes a signature that no key of its scheme can have made, where the step says so."""
    if step.get("spoil") != "unusable":
        return signature
    value = bytes(64) if signature.scheme == ED25519 else signature.value[:64] + b"\x1d"
    return replace(signature, value=value)


def _word(label: str) -> Digest:
    return sha256(f"cryptlet-fabric/vectors/{label}".encode())
