"""Events that an invocation rests on: what a real native ledger shows is taken, and nothing that it does not show."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.native.envelope import account_of, sign_envelope
from adapters.native.genesis import origin_of
from adapters.native.ledger import NativeLedger
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import SourceRefused
from fabric.core.ids import sha256
from fabric.ledger.rules.operations import OpenChannel, Send
from fabric.trust.binding import Binding
from fabric.trust.letter import message_object
from fabric.trust.message import Message
from fabric.trust.sources import check_sources, input_of
from tests.support.enclaves import binding
from tests.support.harness import channel_of, next_message
from tests.support.native import ALICE, SEQUENCER, START, SeededSigner, open_native
from tests.support.proofs import ETHEREUM, NATIVE, kinds

BODY = b"a claim"


@dataclass
class Place:
    """A ledger on which one message was sent, and what shows it."""

    ledger: NativeLedger
    message: Message
    material: JsonObject

    @property
    def event(self) -> JsonObject:
        return {"destination": self.ledger.destination.id.hex(), "material": self.material}

    def source(self, **changes: JsonValue) -> JsonObject:
        destination = self.ledger.destination
        fields: JsonObject = {
            "destination": destination.to_json(),
            "trust": {"log_key": SEQUENCER.key.hex(), "origin": origin_of(destination)},
            "minimum_status": "operator-final",
            "accept_asserted": False,
        }
        return fields | changes


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    ledger = await open_native(tmp_path)
    here, account = ledger.destination.id, account_of(ALICE.key)
    channel = channel_of(here, account)
    message = next_message(channel, here, 0, BODY, START + 60)
    for operation in (OpenChannel(channel), Send(message, BODY)):
        await ledger.take_call(sign_envelope(operation, here, 0, SeededSigner(ALICE)).encoded)
    page = await ledger.mailbox_events(b"", 10)
    _, material = await ledger.event_material(page.events)
    yield Place(ledger, message, material)
    await ledger.aclose()


def under(*sources: JsonObject) -> Binding:
    return binding(sources=list(sources))


def given(*events: JsonValue, **more: JsonValue) -> bytes:
    return canonical.encode({"events": [*events], **more})


def test_without_sources_any_input_goes() -> None:
    assert check_sources(binding(), b"no JSON at all", kinds) == ()
    assert input_of(b"no JSON at all", ()) == b"no JSON at all"


def test_what_holds_becomes_facts(place: Place) -> None:
    data = given(place.event, note="kept")
    (found,) = check_sources(under(place.source()), data, kinds)
    common = {
        "destination": place.ledger.destination.id.hex(),
        "event": "sent",
        "position": 1,
        "source": "proven",
        "status": "operator-final",
        "time": START,
    }
    assert found.summary == common | {"message": place.message.id.hex()}
    assert found.facts == common | {"message": message_object(place.message), "data": "YSBjbGFpbQ=="}
    assert canonical.decode(input_of(data, [found])) == {"events": [found.facts], "note": "kept"}


def test_without_roots_the_word_is_asserted_and_must_be_accepted(place: Place) -> None:
    with pytest.raises(SourceRefused, match="event 0: the ledger's word is only asserted"):
        check_sources(under(place.source(trust={})), given(place.event), kinds)
    tolerant = place.source(trust={}, accept_asserted=True)
    (found,) = check_sources(under(tolerant), given(place.event), kinds)
    assert found.summary["source"] == "asserted"


@pytest.mark.parametrize(
    "data",
    [
        b"no JSON",
        b"[]",
        b"{}",
        given(),
        given(1),
        given({"destination": "00"}),
        given({"destination": "00" * 32, "material": {}}),
        given({"destination": NATIVE.id.hex(), "material": []}),
        given({"destination": NATIVE.id.hex(), "material": {}, "more": 1}),
    ],
)
def test_an_input_without_events_that_hold_is_refused(place: Place, data: bytes) -> None:
    with pytest.raises(SourceRefused):
        check_sources(under(place.source()), data, kinds)


def test_at_most_four_events(place: Place) -> None:
    assert len(check_sources(under(place.source()), given(*[place.event] * 4), kinds)) == 4
    with pytest.raises(SourceRefused, match="at most 4"):
        check_sources(under(place.source()), given(*[place.event] * 5), kinds)


def test_a_ledger_that_the_binding_does_not_name_is_refused(place: Place) -> None:
    other = place.source(destination=ETHEREUM.to_json())
    with pytest.raises(SourceRefused, match=r"event 0: the binding takes no events of ledger"):
        check_sources(under(other), given(place.event), kinds)


def test_a_status_below_the_least_is_refused(place: Place) -> None:
    with pytest.raises(SourceRefused, match="status operator-final is less than final"):
        check_sources(under(place.source(minimum_status="final")), given(place.event), kinds)


def test_other_roots_refuse(place: Place) -> None:
    origin = origin_of(place.ledger.destination)
    wrong: list[JsonObject] = [
        {"log_key": ALICE.key.hex(), "origin": origin},
        {"log_key": SEQUENCER.key.hex(), "origin": "other"},
    ]
    for trust in wrong:
        with pytest.raises(SourceRefused, match="event 0"):
            check_sources(under(place.source(trust=trust)), given(place.event), kinds)


def _paths(value: JsonValue, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [found for name, part in value.items() for found in _paths(part, (*path, name))]
    if isinstance(value, list):
        return [found for at, part in enumerate(value) for found in _paths(part, (*path, at))]
    return [path]


def test_no_value_of_the_material_is_free(place: Place) -> None:
    """Every value that is changed is refused; else a host could tell a cryptlet what no ledger told."""
    tried = 0
    for path in _paths(place.material):
        material = canonical.decode_object(canonical.encode(place.material))
        part: JsonValue = material
        for name in path[:-1]:
            part = part[name]  # type: ignore[index]
        part[path[-1]] = _other(part[path[-1]])  # type: ignore[index]
        with pytest.raises(SourceRefused):
            check_sources(under(place.source()), given(place.event | {"material": material}), kinds)
        tried += 1
    assert tried > 10


def _other(value: JsonValue) -> JsonValue:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "0" + value[1:] if value[:1] != "0" else "1" + value[1:]
    return "other"


async def test_an_entry_of_no_message_is_refused(place: Place) -> None:
    page = await place.ledger.mailbox_events(b"", 1)
    (opening,) = await place.ledger.event_material(page.events)
    with pytest.raises(SourceRefused, match="no event of a message"):
        check_sources(under(place.source()), given(place.event | {"material": opening}), kinds)
    assert sha256(BODY) == place.message.body
