"""A publisher's README on a page: whatever it is, nothing of it runs, loads, or hides."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.pages.readme import MAX_CHARACTERS, render
from registry.pages.text import visible

CORPUS: Final = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/a.png)",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "<a href='javascript:x'>x</a>",
    "`<script>`",
    "```<script>\nalert(1)\n```",
    '<https://ok.example/?q="><script>alert(1)</script>>',
    "[x](https://ok.example 'onmouseover=alert(1)')",
    "> " * 500 + "deep",
    "- " * 500 + "deep",
    "[" * 2000,
    "*" * 2000,
    "|a|b|\n|-|-|\n" + "|<b>x</b>|y|\n" * 50,
)
_DANGER: Final = re.compile(
    r"<(?!/?(a|blockquote|br|code|div|em|h[3-6]|hr|li|ol|p|pre|s|strong|t[a-z]+|ul)\b)|\son\w+="
)


def _check(text: str) -> str:
    html = str(render(text).html)
    for tag in re.findall(r"<[^>]*>", html):
        assert not _DANGER.search(tag), tag
        for address in re.findall(r'href="([^"]*)"', tag):
            assert address.startswith(("https:", "mailto:", "#readme-")), tag
            assert 'rel="' in tag or address.startswith("#")
    return html


@pytest.mark.parametrize("text", CORPUS)
def test_what_is_known_to_hurt_does_not(text: str) -> None:
    _check(text)


@given(st.text(alphabet="<>[]()!#*`'\"=:/&;\\\n -_|javscriptonerxlmghd", max_size=200))
def test_any_text_is_harmless(text: str) -> None:
    _check(text)


def test_a_long_one_is_cut_and_says_so() -> None:
    assert render("x" * (MAX_CHARACTERS + 1)).is_cut
    assert not render("x").is_cut


def test_what_turns_text_around_is_seen() -> None:
    assert visible("a\u202eb") == "a[U+202E]b"
    assert "[U+202E]" in _check("a \u202e b")
