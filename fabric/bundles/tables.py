"""Tables: what the tables of ``cryptlet.toml`` are made of: their base, and the texts that stand in several of them."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

NAME_PATTERN: Final = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
VERSION_PATTERN: Final = r"^(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}((a|b|rc)[1-9][0-9]{0,3})?$"
PART: Final = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""One part of a path, as the archive has it."""

# Ranges spelled out: the classes \w and \s follow the Unicode version of whoever reads.
_INK: Final = r"[^\x00-\x20\x7f-\xa0\u2028\u2029]"
_LICENCE_WORD: Final = re.compile(r"[()]|[^ ()]+")
_LICENCE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*\+?")
_LICENCE_KINDS: Final = {"(": "(", ")": ")", "AND": "AND", "OR": "AND", "WITH": "WITH"}
_LICENCE_NEXT: Final[dict[str, dict[str, str]]] = {
    "an identifier": {"(": "an identifier", "id": "AND, OR or WITH"},
    "AND, OR or WITH": {")": "AND or OR", "AND": "an identifier", "WITH": "an exception"},
    "an exception": {"id": "AND or OR"},
    "AND or OR": {")": "AND or OR", "AND": "an identifier"},
}
"""What may come next, and what is expected behind it."""
_MAX_DEPTH: Final = 16


class Table(BaseModel):
    """Base of all tables: no unknown key, no value of another type, nothing to change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def check_licence(text: str) -> str:
    """Returns a licence expression as it is, if it has the form of SPDX 2.3, annex D.

    Whether an identifier is on SPDX's list is not asked: the list grows, and one bundle must be read alike by all.

    Raises:
        ValueError: another form; says where.
    """
    expected, depth = "an identifier", 0
    for word in _LICENCE_WORD.findall(text):
        kind = _LICENCE_KINDS.get(word, "id" if _LICENCE_ID.fullmatch(word) else "")
        if kind not in _LICENCE_NEXT[expected]:
            raise ValueError(
                f"{word!r} stands where {expected} should; write an SPDX expression such as MIT OR Apache-2.0"
            )
        depth += {"(": 1, ")": -1}.get(kind, 0)
        if not 0 <= depth <= _MAX_DEPTH:
            raise ValueError("parentheses do not match, or nest too deep")
        expected = _LICENCE_NEXT[expected][kind]
    if depth or not expected.startswith("AND") or text != " ".join(text.split()):
        raise ValueError(f"the expression ends where {')' if depth else expected} should be, or has spaces to spare")
    return text


Text = Annotated[str, StringConstraints(pattern=rf"^{_INK}({_INK}| )*$", max_length=200)]
"""One line that does not begin with a space."""
Licence = Annotated[str, StringConstraints(pattern=r"^[ -~]+$", max_length=200), AfterValidator(check_licence)]
"""An SPDX licence expression."""
HttpsUrl = Annotated[
    str,
    StringConstraints(
        pattern=r"^https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]*)?$",
        max_length=200,
    ),
]
"""A link that may be shown to people: no user, no password, nothing that ends an attribute of a page."""
Readme = Annotated[str, StringConstraints(pattern=rf"^({PART}/)*{PART}\.md$", max_length=200)]
"""A Markdown file of the project."""
