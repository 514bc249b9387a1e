"""Every page can be followed: a relative link leads to a file of this tree, and to a heading that it has."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from tests.architecture.tree import ROOT, files, shown

LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
HEADING: Final = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
FENCE: Final = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
CODE: Final = re.compile(r"`[^`\n]*`")
# A page that a docstring, a message or a comment sends its reader to.
MENTION: Final = re.compile(r"\bdocs/[\w./-]+\.md\b")


def test_every_relative_link_resolves() -> None:
    assert [broken for page in _pages() for broken in _broken(page)] == []


def test_every_page_that_code_names_is_there() -> None:
    named = {
        (mention, shown(path))
        for path in files()
        if path.suffix in {".py", ".toml", ".sol", ".sh", ".mjs", ".proto", ".md"}
        for mention in MENTION.findall(path.read_text(encoding="utf-8"))
    }
    assert sorted(f"{place}: {mention}" for mention, place in named if not (ROOT / mention).is_file()) == []


def test_every_decision_and_format_is_listed() -> None:
    """A page that no index names is found by nobody."""
    for folder in ("docs/adr", "docs/spec"):
        index = (ROOT / folder / "README.md").read_text(encoding="utf-8")
        pages = {page.name for page in _pages() if shown(page.parent) == folder} - {"README.md"}
        assert pages - set(LINK.findall(index)) == set(), folder


def _pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def _broken(page: Path) -> Iterator[str]:
    for link in LINK.findall(_prose(page)):
        name, _, heading = unquote(link).partition("#")
        if re.match(r"[a-z]+:", link):
            continue  # another site: whether it answers is no property of this tree
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (heading and heading not in _anchors(target)):
            yield f"{shown(page)}: {link}"


@cache
def _prose(page: Path) -> str:
    """Returns a page without its code, in which brackets and parentheses mean other things."""
    return CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))


def _anchors(page: Path) -> set[str]:
    """Returns the headings of a page as links name them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(text))
    return {title.replace(" ", "-") for title in titles}
