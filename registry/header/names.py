"""Names in generated code: whatever a bundle calls its things, they are identifiers, and its words stay in comments."""

import keyword
import re
from collections.abc import Iterable

_WORDS = re.compile(r"[A-Za-z0-9]+")


def pascal(text: str) -> str:
    """Returns ``ColdChain`` of ``cold-chain``; never empty, never beginning with a digit."""
    joined = "".join(word[0].upper() + word[1:] for word in _WORDS.findall(text))
    return joined if joined[:1].isalpha() else f"X{joined}"


def constant(text: str) -> str:
    """Returns ``JUDGE_ALL`` of ``judge_all``."""
    return "_".join(word.upper() for word in _WORDS.findall(text)) or "X"


def snake(text: str) -> str:
    """Returns a Python name that is no keyword."""
    joined = "_".join(word.lower() for word in _WORDS.findall(text)) or "x"
    joined = joined if joined[0].isalpha() else f"x_{joined}"
    return f"{joined}_" if keyword.iskeyword(joined) else joined


class Scope:
    """Where a name may stand once: what two things would be called alike, the second gets underscores behind it."""

    def __init__(self, taken: Iterable[str]) -> None:
        """Takes the names that the header itself uses there."""
        self._taken = set(taken)

    def free(self, name: str) -> str:
        """Returns the name, or the next one that is free; from now on it is taken."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def line(text: str, limit: int = 100) -> str:
    """Returns a text as one line of printable ASCII, that ends and begins no comment and holds no tag of NatSpec."""
    plain = "".join(letter if " " <= letter <= "~" else " " for letter in text.partition("\n")[0])
    return " ".join(plain.replace("\\", " ").replace("*/", "* /").replace("@", "(at)").split())[:limit]
