"""Names: ``namespace/name@version``, and which new name would be taken for one that is there (docs/spec/names.md).

Two names that look alike have one skeleton (UTS 39, section 4); two that a slip of the finger turns into each other are
one edit apart (Damerau-Levenshtein). Both are asked of the normalised form: NFKC, case folded, no separators or marks.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from typing_extensions import override

from fabric.bundles.tables import NAME_PATTERN, VERSION_PATTERN
from fabric.core.errors import Malformed

MAX_NAME: Final = 64
"""Longest namespace, and longest name."""
NEAR_LENGTH: Final = 5
"""From how many letters on (of the longer one) one edit makes two names too near; short words often differ by one."""
RULE: Final = f"words of a-z and 0-9 joined by '-', beginning with a letter, {MAX_NAME} characters at most"
_NAME: Final = re.compile(NAME_PATTERN)
_VERSION: Final = re.compile(VERSION_PATTERN)
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_UNSEEN: Final = frozenset({"Cf", "Me", "Mn", "Pc", "Pd", "Zs"})
"""Categories of what separates words, sits on a letter or is not seen at all."""
_TABLE: Final = Path(__file__).with_name("confusables.txt")
_PAIRS: Final = (("rn", "m"), ("vv", "w"))
"""A pair and the letter that it looks like: the first is in the table, where UTS 39 has it; the second is ours."""


@dataclass(frozen=True)
class Ref:
    """What a person calls a cryptlet.

    Attributes:
        namespace: whose it is.
        name: the cryptlet's name.
        version: its version; None for the newest release.
    """

    namespace: str
    name: str
    version: str | None = None

    @override
    def __str__(self) -> str:
        """``namespace/name@version``, without the version where there is none."""
        return f"{self.namespace}/{self.name}" + (f"@{self.version}" if self.version else "")


class Likeness(StrEnum):
    """In what way a new name is too like another; the first is the worst."""

    SAME = "same"
    """It is that name."""
    LOOKALIKE = "lookalike"
    """One skeleton: a reader takes one for the other. Refused, whoever asks."""
    NEAR = "near"
    """One edit apart: a typist takes one for the other. Refused, unless one owner has both."""


@dataclass(frozen=True)
class Clash:
    """A new name that would be taken for another.

    Attributes:
        kind: in what way.
        candidate: the new name.
        existing: the name that is there.
    """

    kind: Likeness
    candidate: str
    existing: str

    @property
    def reason(self) -> str:
        """One sentence for a person."""
        told = {
            Likeness.SAME: "is taken",
            Likeness.LOOKALIKE: f"looks like {self.existing!r}, which is there already",
            Likeness.NEAR: f"is one letter away from {self.existing!r}, which is there already",
        }
        return f"{ascii(self.candidate)[:200]} {told[self.kind]}; choose a name that nobody takes for another"


class NameIndex:
    """Names that are there, asked whether a new one is too like one of them.

    It keeps the forms of each name and asks for every form one edit away from the candidate's: some ``73 n``
    look-ups for ``n`` letters, however many names there are. Variants with deletions, as SymSpell keeps them, would
    take an entry for each letter of each name.
    """

    def __init__(self, existing: Iterable[str] = ()) -> None:
        """Takes the names that are there."""
        self._skeletons: defaultdict[str, list[str]] = defaultdict(list)
        self._near: defaultdict[str, list[str]] = defaultdict(list)
        for name in existing:
            self.add(name)

    def add(self, name: str) -> None:
        """Takes in a name; a repeat has no effect."""
        found = skeleton(name)
        if name in self._skeletons[found]:
            return
        self._skeletons[found].append(name)
        for form in _forms(name):
            self._near[form].append(name)

    def clash(self, candidate: str) -> Clash | None:
        """Returns the worst clash of a candidate, or None."""
        return next(iter(self.clashes(candidate)), None)

    def clashes(self, candidate: str) -> tuple[Clash, ...]:
        """Returns every clash of a candidate, the worst first: near names may have several owners."""
        own = skeleton(candidate)
        alike = self._skeletons.get(own, [])
        found = {name: Likeness.SAME if name == candidate else Likeness.LOOKALIKE for name in alike}
        for name in self._near_ones(candidate):
            found.setdefault(name, Likeness.NEAR)
        order = list(Likeness)
        ranked = sorted(found.items(), key=lambda item: (order.index(item[1]), item[0]))
        return tuple(Clash(kind, candidate, name) for name, kind in ranked)

    def _near_ones(self, candidate: str) -> Iterator[str]:
        length = len(normalised(candidate))
        for form in _forms(candidate):
            for other in _one_edit_away(form):
                for name in self._near.get(other, ()):
                    if max(length, len(normalised(name))) >= NEAR_LENGTH:
                        yield name


def clashes(candidate: str, existing: Iterable[str]) -> Clash | None:
    """Returns the worst clash of one candidate with names that are there; for many candidates keep a ``NameIndex``."""
    return NameIndex(existing).clash(candidate)


def parse_ref(text: str) -> Ref:
    """Reads ``namespace/name`` or ``namespace/name@version``.

    Raises:
        Malformed: names the part that is wrong: reference, namespace, name or version.
    """
    body, at, version = text.partition("@")
    namespace, slash, name = body.partition("/")
    if not slash:
        raise Malformed("reference", f"expected NAMESPACE/NAME or NAMESPACE/NAME@VERSION, got {_shown(text)}: no '/'")
    parse_name(namespace, "namespace")
    parse_name(name, "name")
    if at and not _VERSION.fullmatch(version):
        raise Malformed("version", f"expected one such as 1.2.0 or 1.2.0rc1, got {_shown(version)}")
    return Ref(namespace, name, version if at else None)


def parse_name(text: str, field: str = "name", existing: NameIndex | None = None) -> str:
    """Returns a namespace or name that is spelled as one.

    Args:
        text: what was given.
        field: what it is: ``namespace`` or ``name``.
        existing: names that are there, to say which of them a wrong spelling imitates.

    Raises:
        Malformed: another spelling; says the rule, and what it looks like.
    """
    if len(text) <= MAX_NAME and _NAME.fullmatch(text):
        return text
    clash = existing.clash(text) if existing is not None and len(text) <= MAX_NAME else None
    imitates = f"; it looks like {clash.existing!r} and is not" if clash else ""
    raise Malformed(field, f"expected {RULE}; got {_shown(text)}{imitates}")


def normalised(name: str) -> str:
    """Returns a name without what spelling leaves free: NFKC, case folded, no separators, marks or unseen letters."""
    return _bare(unicodedata.normalize("NFKC", name).casefold())


def skeleton(name: str) -> str:
    """Returns what a name looks like: equal for two names where a reader cannot tell them apart.

    UTS 39 section 4, with ``confusables.txt``. The table stands before and behind case folding, since a capital may
    look like another letter than its small one does.
    """
    table = _confusables()
    form = _bare(unicodedata.normalize("NFKC", name).translate(table).casefold()).translate(table)
    for pair, letter in _PAIRS:
        form = form.replace(letter, pair)
    return form


def _forms(name: str) -> frozenset[str]:
    """Returns the spellings that may be one edit from another's: an edit makes a pair, breaks one or hits a letter."""
    long = short = skeleton(name)
    for pair, letter in _PAIRS:
        short = short.replace(pair, letter)
    return frozenset((normalised(name), long, short))


def _bare(text: str) -> str:
    return "".join(
        letter
        for letter in unicodedata.normalize("NFD", text)
        if letter != "." and unicodedata.category(letter) not in _UNSEEN
    )


def _one_edit_away(form: str) -> Iterator[str]:
    """Yields the form and all that one insertion, deletion, substitution or transposition of neighbours makes of it."""
    yield form
    for at in range(len(form) + 1):
        head, tail = form[:at], form[at:]
        yield from (head + letter + tail for letter in _ALPHABET)
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in _ALPHABET)
            yield head + tail[1:2] + tail[0] + tail[2:]


@cache
def _confusables() -> dict[int, str]:
    rows = (line.partition("#")[0].split(";") for line in _TABLE.read_text(encoding="utf-8").splitlines())
    return {int(row[0], 16): row[1].strip() for row in rows if len(row) > 1}


def _shown(text: str) -> str:
    return ascii(text)[:100]
