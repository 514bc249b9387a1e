"""What others wrote is shown as it is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from registry.pages.text import counted, machine, moment, shown, span, visible

TURNERS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_turns_around_or_stays_unseen(text: str) -> None:
    told = visible(text)
    assert {unicodedata.bidirectional(letter) for letter in told}.isdisjoint(TURNERS)
    assert all(letter in "\n\t" or unicodedata.category(letter) not in {"Cc", "Cs"} for letter in told)
    told.encode()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("\u200bnull", "[U+200B]null"),
        ("tag\U000e0041", "tag[U+E0041]"),
        ("a\r\nb", "a\nb"),
        ("עברית", "עברית"),
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
)
def test_seen(text: str, told: str) -> None:
    assert visible(text) == told


def test_what_is_no_text_or_was_made_safe_stays() -> None:
    assert shown(7) == 7
    assert shown(None) is None
    safe = Markup("<b>\u202e</b>")
    assert shown(safe) is safe


def test_times_are_of_the_one_zone() -> None:
    assert moment(1_795_000_000) == "2026-11-18 11:06 UTC"
    assert machine(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("seconds", [-1, 2**53, 2**62])
def test_no_time_is_too_far(seconds: int) -> None:
    assert moment(seconds).endswith("UTC")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 seconds"), (1, "1 second"), (90, "90 seconds"), (900, "15 minutes"), (7_200, "2 hours"), (86_400, "1 day")],
)
def test_spans(seconds: int, told: str) -> None:
    assert span(seconds) == told


def test_numbers_have_their_nouns() -> None:
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(12_000, "record") == "12,000 records"
    assert counted(0, "entry", "entries") == "0 entries"
