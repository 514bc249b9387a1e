"""Uses: which names from outside a module its source speaks of, read from its syntax tree. Nothing is run.

What is hidden on purpose (``getattr`` with a made-up name) is not seen. Nor need it be: a container refuses it. This is
for an author who wants to know before, and for a reader who wants to know what a bundle is about.
"""

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import Malformed

CONTEXT: Final = "fabric.sdk.Context"
"""A method's context, by whatever name a parameter of that type has."""
_SPELLINGS: Final = frozenset({CONTEXT, "fabric.sdk.context.Context"})
_MAX_PARTS: Final = 8
"""No name of interest has more; a hostile chain of attributes would take quadratic time."""
_BUILTINS: Final = frozenset(vars(builtins)) | {"__builtins__"}


@dataclass(frozen=True)
class Use:
    """One place that speaks of a name from outside.

    Attributes:
        line: its line, from 1.
        name: the full dotted name: ``socket``, ``os.environ``, ``builtins.open``, ``fabric.sdk.Context.entropy``.
        is_import: whether the place is an import.
    """

    line: int
    name: str
    is_import: bool = False


def read_uses(source: bytes, name: str) -> tuple[Use, ...]:
    """Returns every use of a module, in the order of lines.

    Args:
        source: the module.
        name: its file name, for the refusal.

    Raises:
        Malformed: no Python source.
    """
    try:
        tree = ast.parse(source, filename=name)
        nodes = tuple(_walked(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Malformed(name, f"no Python source: {error}") from error
    imports = tuple(use for node in nodes for use in _imported(node))
    known = _aliases(nodes)
    spoken = (_spoken(node, known) for node in nodes if isinstance(node, ast.Attribute | ast.Name))
    return tuple(sorted({*imports, *(use for use in spoken if use)}, key=lambda use: (use.line, use.name)))


def _walked(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields every node except those that only a type checker reads."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            pending.extend(node.orelse)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _imported(node: ast.AST) -> Iterator[Use]:
    if isinstance(node, ast.Import):
        yield from (Use(node.lineno, each.name, is_import=True) for each in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield from (Use(node.lineno, f"{node.module}.{each.name}", is_import=True) for each in node.names)


def _aliases(nodes: tuple[ast.AST, ...]) -> Mapping[str, str]:
    """Returns what the names of a module stand for: imports, parameters that are contexts, builtins that stay so."""
    imported: dict[str, str] = {}
    bound: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                imported[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{'.' * node.level}{node.module or ''}"
            imported.update({each.asname or each.name: f"{prefix}.{each.name}" for each in node.names})
        else:
            bound.update(_bound(node))
    contexts = {
        node.arg: CONTEXT for node in nodes if isinstance(node, ast.arg) and _annotation(node, imported) in _SPELLINGS
    }
    free = {name: f"builtins.{name}" for name in _BUILTINS - bound}
    return {**free, **imported, **contexts}


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


def _annotation(node: ast.arg, imported: Mapping[str, str]) -> str | None:
    annotation = node.annotation
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        head, dot, rest = annotation.value.partition(".")
        return f"{imported.get(head, head)}{dot}{rest}"
    return None if annotation is None else _dotted(annotation, imported)


def _spoken(node: ast.Attribute | ast.Name, known: Mapping[str, str]) -> Use | None:
    name = _dotted(node, known) if isinstance(node.ctx, ast.Load) else None
    return None if name is None or name.startswith(".") else Use(node.lineno, name)


def _dotted(node: ast.AST, known: Mapping[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < _MAX_PARTS:
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in known:
        return None
    return ".".join((known[node.id], *reversed(parts)))
