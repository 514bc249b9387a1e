"""README: a publisher's Markdown as harmless HTML.

Three walls, each enough alone: the parser takes no HTML (CommonMark with ``html=False``), what it made goes through an
allow-list, and the page's Content-Security-Policy loads and runs nothing. No image is fetched: its text and its address
are shown instead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from registry.pages.text import visible

MAX_CHARACTERS: Final = 32_768
"""What is shown of a README; the rest is cut before anything is parsed."""
MAX_NESTING: Final = 20
ID_PREFIX: Final = "readme-"
_CACHED: Final = 64
_SHIFT: Final = 2  # below the page's title and the section's
_LAST_HEADING: Final = 6
_SCHEMES: Final = ("https:", "mailto:")
_TAGS: Final = frozenset(
    (
        *("a", "blockquote", "br", "code", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s"),
        *("strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
    )
)
_ATTRIBUTES: Final = {
    "a": {"href"},
    "div": {"aria-label"},
    "ol": {"start"},
    **{f"h{level}": {"id"} for level in range(3, 7)},
}
_FIXED: Final = {"div": {"class": {"scroll"}, "role": {"region"}, "tabindex": {"0"}}}


@dataclass(frozen=True)
class Readme:
    """A README that can be put on a page.

    Attributes:
        html: harmless HTML.
        is_cut: whether the text went on beyond ``MAX_CHARACTERS``.
    """

    html: Markup
    is_cut: bool


@lru_cache(_CACHED)
def render(text: str) -> Readme:
    """Returns the HTML of a README; any text gives some."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable(["table", "strikethrough"])
    tokens = parser.parse(visible(text[:MAX_CHARACTERS]))
    html = parser.renderer.render(list(_shown(tokens)), parser.options, {})
    return Readme(Markup(_clean(html)), len(text) > MAX_CHARACTERS)  # noqa: S704 - the allow-list has just run


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=_kept,
        tag_attribute_values=_FIXED,
        url_schemes={"https", "mailto"},
        url_relative=lambda url: url if url.startswith(f"#{ID_PREFIX}") else None,
        link_rel="nofollow noopener noreferrer ugc",
    )


def _kept(_tag: str, attribute: str, value: str) -> str | None:
    """Lets an id through that cannot be one of the page's own."""
    return None if attribute == "id" and not value.startswith(ID_PREFIX) else value


def _shown(tokens: list[Token]) -> Iterator[Token]:
    """Yields the tokens with headings below the page's own, links and images made harmless, tables in a frame."""
    names, tables = _Names(), count(1)
    for at, token in enumerate(tokens):
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + _SHIFT, _LAST_HEADING)}"
        if token.type == "heading_open":
            token.attrSet("id", names.take(tokens[at + 1].content))
        if token.type == "table_open":
            yield _frame(next(tables))
        if token.children:
            token.children = list(_inline(token.children))
        yield token
        if token.type == "table_close":
            yield Token("frame_close", "div", -1, block=True)


def _frame(number: int) -> Token:
    """Returns a box in which a wide table scrolls; it takes the focus, so that keys can scroll it."""
    label = f"Table {number} of the README"
    attributes: dict[str, str | int | float] = {
        "class": "scroll",
        "role": "region",
        "tabindex": "0",
        "aria-label": label,
    }
    return Token("frame_open", "div", 1, attrs=attributes, block=True)


class _Names:
    """Ids of headings, each given once."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._numbers: dict[str, Iterator[int]] = {}

    def take(self, title: str) -> str:
        """Returns the id of the next heading of this title: ``readme-usage``, then ``readme-usage-1``."""
        name = slug = ID_PREFIX + "-".join(re.findall(r"\w+", title.lower()[:100]))
        while name in self._given:
            name = f"{slug}-{next(self._numbers.setdefault(slug, count(1)))}"
        self._given.add(name)
        return name


def _inline(children: list[Token]) -> Iterator[Token]:
    """Yields what stands in a line: only links that lead somewhere allowed, and the words of images."""
    href: str | None = None
    inside = is_named = False
    for token in children:
        if token.type == "link_open":
            inside, is_named, href = True, False, _target(str(token.attrGet("href") or ""))
            if href is not None:
                yield _link(href)
        elif token.type == "link_close":
            if href is not None:
                yield from (() if is_named else (_text(href),))
                yield token
            inside, href = False, None
        elif token.type == "image":
            is_named = True
            yield from _image(token, inside_link=inside)
        else:
            is_named = is_named or bool(token.content.strip())
            yield token


def _image(token: Token, *, inside_link: bool) -> Iterator[Token]:
    """Yields an image's words, linked to where it lies where that is allowed."""
    words = _text(f"[image: {token.content.strip() or 'without description'}]")
    href = None if inside_link else _target(str(token.attrGet("src") or ""))
    if href is None:
        yield words
    else:
        yield from (_link(href), words, Token("link_close", "a", -1))


def _target(address: str) -> str | None:
    """Returns where a link may lead: another site by https, a mailbox, or a heading of this README; else None."""
    if address.startswith("#"):
        return f"#{ID_PREFIX}{address[1:]}"
    return address if address.lower().startswith(_SCHEMES) else None


def _link(href: str) -> Token:
    return Token("link_open", "a", 1, attrs={"href": href})


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
