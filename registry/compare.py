"""Compare: what is different between two releases, and for whom: who runs, who pays, who calls.

The pages show it beside a release, and `cryptlet diff A B` prints it. Where it is not plain that a change asks for
less, it is taken to ask for more, so that a person looks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from fabric.core.canonical import JsonObject
from registry.schema import Field, Shape, read_shape
from registry.terms import MethodTerms, PriceTerms, Terms


class Effect(StrEnum):
    """What a change means."""

    MORE = "asks for more"
    """Whoever runs or pays has to agree anew."""
    BREAKS = "breaks callers"
    """What called the earlier release may fail with this one."""
    WEAKER = "promises less"
    LESS = "asks for less"
    STRONGER = "promises more"
    NEW = "new"
    CHANGED = "changed"


T = TypeVar("T")

ALARMING: Final = frozenset((Effect.MORE, Effect.BREAKS, Effect.WEAKER))
"""Effects that somebody has to agree to before the later release takes the earlier one's place."""


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        part: of the terms: ``capability``, ``hardware``, ``price``, ``method``, ``determinism``, ``licence``,
            ``dependency``, ``kind``, and ``data`` of a data service.
        subject: what of that part.
        before: how it was; None where it was not there.
        after: how it is; None where it is gone.
        effect: what it means.
    """

    part: str
    subject: str
    before: str | None
    after: str | None
    effect: Effect

    @property
    def is_alarming(self) -> bool:
        """Says whether somebody has to agree to it."""
        return self.effect in ALARMING


def compare(before: Terms, after: Terms) -> tuple[Change, ...]:
    """Returns every difference from an earlier to a later release, those that ask for more first in each part."""
    parts = (_capabilities, _hardware, _price, _methods, _determinism, _licence, _dependencies, _kind, _data)
    return tuple(
        change
        for part in parts
        for change in sorted(part(before, after), key=lambda change: (not change.is_alarming, change.subject))
    )


def _capabilities(before: Terms, after: Terms) -> Iterator[Change]:
    earlier, later = set(before.capabilities), set(after.capabilities)
    for name in sorted(later - earlier):
        yield Change("capability", name, None, "granted", Effect.MORE)
    for name in sorted(earlier - later):
        yield Change("capability", name, "granted", None, Effect.LESS)


def _hardware(before: Terms, after: Terms) -> Iterator[Change]:
    for name, unit in (("cpus", ""), ("gpus", ""), ("memory_mb", " MiB")):
        old, new = getattr(before.hardware, name), getattr(after.hardware, name)
        if old != new:
            subject = name.removesuffix("_mb")
            yield Change("hardware", subject, f"{old}{unit}", f"{new}{unit}", Effect.MORE if new > old else Effect.LESS)
    old_labels, new_labels = dict(before.hardware.labels), dict(after.hardware.labels)
    for name, was, now in _different(old_labels, new_labels):
        # Another value is another machine, so it counts as more.
        yield Change("hardware", f"label {name}", was, now, Effect.LESS if now is None else Effect.MORE)


def _price(before: Terms, after: Terms) -> Iterator[Change]:
    old, new = before.price, after.price
    if old != new:
        yield Change("price", "one invocation", _money(old), _money(new), _dearer(old, new))


def _dearer(old: PriceTerms | None, new: PriceTerms | None) -> Effect:
    """Says what another price is to whoever pays; two currencies are not comparable, so that the other is more."""
    was, now = (Decimal(0 if price is None else price.amount) for price in (old, new))
    if was and now and old is not None and new is not None and old.currency != new.currency:
        return Effect.MORE
    return Effect.CHANGED if was == now else Effect.MORE if now > was else Effect.LESS


def _money(price: PriceTerms | None) -> str:
    return "nothing" if price is None else f"{price.amount} {price.currency}"


def _determinism(before: Terms, after: Terms) -> Iterator[Change]:
    old, new = before.determinism, after.determinism
    if old != new:
        yield Change("determinism", "mode", old, new, Effect.STRONGER if new == "strict" else Effect.WEAKER)


def _licence(before: Terms, after: Terms) -> Iterator[Change]:
    if before.licence != after.licence:
        yield Change("licence", "SPDX", before.licence or None, after.licence or None, Effect.CHANGED)


def _kind(before: Terms, after: Terms) -> Iterator[Change]:
    if before.kind != after.kind:
        yield Change("kind", "kind", before.kind, after.kind, Effect.BREAKS)


def _data(before: Terms, after: Terms) -> Iterator[Change]:
    old, new = before.freshness_seconds, after.freshness_seconds
    if old is not None and new is not None and old != new:
        effect = Effect.WEAKER if new > old else Effect.STRONGER
        yield Change("data", "freshness", f"{old} seconds at most", f"{new} seconds at most", effect)
    if before.source != after.source:
        yield Change("data", "source", before.source or None, after.source or None, Effect.CHANGED)


def _dependencies(before: Terms, after: Terms) -> Iterator[Change]:
    def told(terms: Terms) -> dict[str, str]:
        return {item.name: f"{item.version} sha256:{item.sha256.hex()}" for item in terms.dependencies}

    for name, was, now in _different(told(before), told(after)):
        effect = Effect.CHANGED if was and now else Effect.NEW if now else Effect.LESS
        yield Change("dependency", name, was, now, effect)


def _methods(before: Terms, after: Terms) -> Iterator[Change]:
    earlier = {method.name: method for method in before.methods}
    later = {method.name: method for method in after.methods}
    for name in sorted(earlier.keys() | later.keys()):
        old, new = earlier.get(name), later.get(name)
        if old is None:
            yield Change("method", name, None, "offered", Effect.NEW)
        elif new is None:
            yield Change("method", name, "offered", None, Effect.BREAKS)
        else:
            yield from _method(old, new)


def _method(old: MethodTerms, new: MethodTerms) -> Iterator[Change]:
    if (old.takes is None) is not (new.takes is None):
        was, now = ("a raw file" if method.takes is None else "JSON" for method in (old, new))
        yield Change("method", f"{new.name} input", was, now, Effect.BREAKS)
    elif old.takes is not None and new.takes is not None:
        yield from _schema(f"{new.name} input", old.takes, new.takes, is_input=True)
    yield from _schema(f"{new.name} output", old.gives, new.gives, is_input=False)
    if old.description != new.description:
        yield Change("method", f"{new.name} description", old.description, new.description, Effect.CHANGED)


def _schema(where: str, old: JsonObject, new: JsonObject, *, is_input: bool) -> Iterator[Change]:
    """Yields the fields that differ; what differs and is no field, or is beyond the limits of reading, in one line."""
    if old == new:
        return
    before, after = read_shape(old), read_shape(new)
    found = False
    for path, was, now in _different(_by_path(before), _by_path(after)):
        if told := _told(was, now, is_input=is_input):
            found = True
            yield Change("method", f"{where} {path or 'value'}", *told)
    if not found or before.cut or after.cut:
        yield Change("method", f"{where} schema", "one schema", "another; compare them in full", Effect.CHANGED)


def _by_path(shape: Shape) -> dict[str, Field]:
    return {field.path: field for field in shape.fields}


def _told(was: Field | None, now: Field | None, *, is_input: bool) -> tuple[str | None, str | None, Effect] | None:
    """Returns before, after and effect of a field; None where only its meaning differs."""
    before, after = (None if field is None else _spelled(field) for field in (was, now))
    if before == after:
        return None
    return before, after, _effect(was, now, is_input=is_input)


def _effect(was: Field | None, now: Field | None, *, is_input: bool) -> Effect:
    """Says what a field's change means to callers, who give inputs and read outputs."""
    if now is None:
        return Effect.BREAKS
    if was is None:
        return Effect.BREAKS if is_input and now.required else Effect.NEW
    if was.type != now.type or (now.required is not was.required and now.required is is_input):
        return Effect.BREAKS
    return Effect.CHANGED if was.limits == now.limits or not is_input else Effect.BREAKS


def _spelled(field: Field) -> str:
    return ", ".join((field.type, *(() if field.required else ("optional",)), *field.limits))


def _different(old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)
