"""Every error of the platform, read from the sources and not imported: Ray and web3 stay out of unit tests."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from fabric.gateway.status import TABLE

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ErrorClass:
    """A descendant of ``FabricError``.

    Attributes:
        name: name of the class.
        bases: names of its bases.
        own: the attributes ``code``, ``retry`` and ``party`` that it sets itself.
    """

    name: str
    bases: tuple[str, ...]
    own: dict[str, str]

    def attribute(self, name: str) -> str:
        """Returns an attribute, its own or inherited."""
        if name in self.own:
            return self.own[name]
        return next(found for base in self.bases if base in tree() if (found := tree()[base].attribute(name)))

    @property
    def row(self) -> str:
        """The code of its row in the table: its own, or that of the nearest ancestor that has one."""
        own = self.own.get("code", "")
        return own if own in TABLE else next(tree()[base].row for base in self.bases if base in tree())


@cache
def tree() -> dict[str, ErrorClass]:
    """Returns all errors by name."""
    found = {}
    for package in ("fabric", "adapters", "registry"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    bases = tuple(one.id for one in node.bases if isinstance(one, ast.Name))
                    found[node.name] = ErrorClass(node.name, bases, dict(_attributes(node)))

    def descends(name: str) -> bool:
        return name == "FabricError" or any(descends(base) for base in found[name].bases if base in found)

    return {name: one for name, one in found.items() if descends(name)}


def _attributes(node: ast.ClassDef) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for line in node.body:
        targets = (
            line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        )
        value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("code", "retry", "party"):
                if isinstance(value, ast.Constant):
                    pairs.append((target.id, str(value.value)))
                elif isinstance(value, ast.Attribute):
                    pairs.append((target.id, value.attr.lower()))
    return pairs
