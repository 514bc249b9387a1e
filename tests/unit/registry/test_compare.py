"""Two releases compared: what asks for more is never taken for less."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles.build import build
from fabric.core.canonical import JsonObject
from registry.compare import Change, Effect, compare
from registry.terms import HardwareTerms, MethodTerms, PriceTerms, Terms, terms_of
from tests.support.shelves import FIRST, GIVES, SECOND

ROOT: Final = Path(__file__).resolve().parents[3]
TERMS: Final = st.builds(
    replace,
    st.just(FIRST),
    capabilities=st.lists(st.sampled_from(["host:a", "host:b", "clock:now"]), unique=True).map(tuple),
    hardware=st.builds(HardwareTerms, st.integers(1, 3), st.integers(0, 1), st.sampled_from([64, 128])),
    price=st.none() | st.builds(PriceTerms, st.sampled_from(["0", "0.05", "1"]), st.sampled_from(["EUR", "USD"])),
    determinism=st.sampled_from(["strict", "none"]),
    methods=st.lists(st.sampled_from(FIRST.methods), unique_by=lambda method: method.name).map(tuple),
)


def only(before: Terms, after: Terms) -> Change:
    (change,) = compare(before, after)
    return change


def test_all_that_differs_is_told_and_what_alarms_comes_first() -> None:
    changes = compare(FIRST, SECOND)
    assert [(change.part, change.subject, change.effect) for change in changes] == [
        ("capability", "ledger:ethereum:read", Effect.MORE),
        ("capability", "secret:weather-key", Effect.MORE),
        ("hardware", "cpus", Effect.MORE),
        ("hardware", "label tee", Effect.MORE),
        ("hardware", "memory", Effect.MORE),
        ("price", "one invocation", Effect.MORE),
        ("method", "raw", Effect.BREAKS),
        ("dependency", "numpy", Effect.CHANGED),
    ]


@given(TERMS)
def test_nothing_differs_from_itself(terms: Terms) -> None:
    assert compare(terms, terms) == ()


@given(TERMS, TERMS)
def test_what_is_asked_for_more_one_way_is_less_the_other(before: Terms, after: Terms) -> None:
    there = {(change.part, change.subject): change for change in compare(before, after)}
    back = {(change.part, change.subject): change for change in compare(after, before)}
    assert there.keys() == back.keys()
    for name, change in there.items():
        assert (change.before, change.after) == (back[name].after, back[name].before)
        assert not {change.effect, back[name].effect} <= {Effect.LESS, Effect.STRONGER}
    assert any(change.is_alarming for change in there.values()) or set(after.capabilities) <= set(before.capabilities)


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        (None, PriceTerms("0.01", "EUR"), Effect.MORE),
        (PriceTerms("0.05", "EUR"), PriceTerms("0.050", "EUR"), Effect.CHANGED),
        (PriceTerms("0.05", "EUR"), PriceTerms("0.06", "EUR"), Effect.MORE),
        (PriceTerms("9", "EUR"), PriceTerms("10", "EUR"), Effect.MORE),
        (PriceTerms("1", "EUR"), PriceTerms("0.5", "USD"), Effect.MORE),
        (PriceTerms("1", "EUR"), PriceTerms("0", "USD"), Effect.LESS),
        (PriceTerms("1", "EUR"), None, Effect.LESS),
        (None, PriceTerms("0", "EUR"), Effect.CHANGED),
    ],
)
def test_a_price(old: PriceTerms | None, new: PriceTerms | None, effect: Effect) -> None:
    assert only(replace(FIRST, price=old), replace(FIRST, price=new)).effect is effect


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({"determinism": "none"}, Effect.WEAKER),
        ({"kind": "utility"}, Effect.BREAKS),
        ({"licence": ""}, Effect.CHANGED),
        ({"capabilities": ()}, Effect.LESS),
        ({"dependencies": ()}, Effect.LESS),
        ({"hardware": HardwareTerms(1, 1, 256)}, Effect.MORE),
        ({"hardware": HardwareTerms(1, 0, 128)}, Effect.LESS),
        ({"hardware": HardwareTerms(1, 0, 256, (("tee", "sev"),))}, Effect.MORE),
    ],
)
def test_one_change(changes: dict[str, Any], effect: Effect) -> None:
    assert only(FIRST, replace(FIRST, **changes)).effect is effect


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({"freshness_seconds": 901}, Effect.WEAKER),
        ({"freshness_seconds": 899}, Effect.STRONGER),
        ({"source": "another"}, Effect.CHANGED),
    ],
)
def test_one_change_of_a_data_service(changes: dict[str, Any], effect: Effect) -> None:
    data = replace(FIRST, kind="data", freshness_seconds=900, source="the bank")
    change = only(data, replace(data, **changes))
    assert (change.part, change.effect) == ("data", effect)


def test_another_label_is_another_machine() -> None:
    tdx, sev = (replace(FIRST, hardware=HardwareTerms(labels=(("tee", name),))) for name in ("tdx", "sev"))
    assert only(tdx, sev).effect is Effect.MORE


def schema(required: tuple[str, ...] = ("a",), **properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {"a": {"type": "string"}, **properties}, "required": list(required)}


@pytest.mark.parametrize(
    ("old", "new", "as_input", "as_output"),
    [
        (schema(), schema(b={"type": "string"}), Effect.NEW, Effect.NEW),
        (schema(), schema(("a", "b"), b={"type": "string"}), Effect.BREAKS, Effect.NEW),
        (schema(b={"type": "string"}), schema(), Effect.BREAKS, Effect.BREAKS),
        (schema(), schema(()), Effect.CHANGED, Effect.BREAKS),
        (schema(()), schema(), Effect.BREAKS, Effect.CHANGED),
        (schema(), schema(a={"type": "integer"}), Effect.BREAKS, Effect.BREAKS),
        (schema(), schema(a={"type": "string", "maxLength": 3}), Effect.BREAKS, Effect.CHANGED),
        (schema(), {**schema(), "description": "words alone"}, Effect.CHANGED, Effect.CHANGED),
        (schema(), {**schema(), "$comment": "seen by nobody"}, Effect.CHANGED, Effect.CHANGED),
    ],
)
def test_a_schema(old: JsonObject, new: JsonObject, as_input: Effect, as_output: Effect) -> None:
    def terms(takes: JsonObject, gives: JsonObject) -> Terms:
        return replace(FIRST, methods=(MethodTerms("judge", "", takes, gives),))

    assert only(terms(old, GIVES), terms(new, GIVES)).effect is as_input
    assert only(terms(GIVES, old), terms(GIVES, new)).effect is as_output


def test_a_file_in_place_of_json_breaks_callers() -> None:
    json, raw = (replace(FIRST, methods=(replace(method, name="judge", description=""),)) for method in FIRST.methods)
    change = only(json, raw)
    assert (change.subject, change.before, change.after) == ("judge input", "JSON", "a raw file")
    assert change.effect is Effect.BREAKS


def test_what_is_beyond_the_limits_of_reading_is_said_to_differ() -> None:
    many: JsonObject = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(400)}}
    more: JsonObject = {**many, "properties": {**many["properties"], "last": {"type": "string"}}}  # type: ignore[dict-item]
    before, after = (replace(FIRST, methods=(MethodTerms("judge", "", None, gives),)) for gives in (many, more))
    assert only(before, after).subject == "judge output schema"


def test_the_terms_of_a_bundle_are_those_of_its_manifest() -> None:
    terms = terms_of(build(ROOT / "cryptlets/contract/cold_chain").bundle.manifest, licence="Apache-2.0")
    assert terms.kind == "contract"
    assert terms.price == PriceTerms("0.05", "EUR")
    assert terms.hardware == HardwareTerms(1, 0, 256)
    assert [(method.name, method.takes) for method in terms.methods] == [("judge", None)]
    assert compare(terms, terms) == ()
