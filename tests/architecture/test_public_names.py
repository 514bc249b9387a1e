"""Every public module, class and function says what it is."""

import ast
from collections.abc import Iterator

from tests.architecture.tree import PACKAGES, Function, parsed, shown, sources

# These say all by what they stand for: the documented name that they override, or the function
# whose signature they spell.
EXCUSED = {"override", "overload"}


def test_every_public_name_is_documented() -> None:
    missing = [name for path in sources(*PACKAGES) for name in _undocumented(parsed(path), shown(path))]
    assert missing == []


def _undocumented(node: ast.Module | ast.ClassDef | Function, name: str) -> Iterator[str]:
    """Yields what lacks a docstring: the node itself and the public names right inside it."""
    if ast.get_docstring(node) is None:
        yield name
    if isinstance(node, Function):
        return  # what is defined inside a function is not public
    for child in node.body:
        if isinstance(child, ast.ClassDef | Function) and _is_public(child):
            yield from _undocumented(child, f"{name}:{child.lineno} {child.name}")


def _is_public(node: ast.ClassDef | Function) -> bool:
    """Says whether a reader who meets the name needs a docstring for it."""
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return not node.name.startswith("_") and not decorators & {*EXCUSED, "setter"}
