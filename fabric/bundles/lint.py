"""Lint: what a bundle's code uses, held against what its manifest asks for. A pure function over tables.

It finds what a container would refuse, before anybody waits for it, and what a reader should not be asked to grant for
nothing. It is no wall: the container is (docs/spec/container.md).
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from typing_extensions import override

from fabric.bundles.lint_rules import RULES, Rule
from fabric.bundles.lock import RESERVED_PACKAGES
from fabric.bundles.manifest import TOML_NAME, Project
from fabric.bundles.uses import CONTEXT, Use, read_uses
from fabric.core.capabilities import NATIVE
from fabric.core.errors import Malformed
from fabric.sdk.context import Context

_PLATFORM: Final = frozenset({"fabric", "adapters", "registry", "cryptlets"})
_PROVIDED: Final = (RESERVED_PACKAGES - _PLATFORM) | sys.stdlib_module_names
_MEMBERS: Final = frozenset(name for name in dir(Context) if not name.startswith("_"))
_ACCELERATED: Final = frozenset({"cupy", "jax", "numba", "pycuda", "tensorflow", "torch"})
_BY_NAME: Final = {name: rule for rule in RULES for name in rule.names}


class Severity(StrEnum):
    """What a finding does to a publication."""

    ERROR = "error"
    """The bundle is not published so."""
    WARNING = "warning"
    """It is, and had better be changed."""


@dataclass(frozen=True)
class Finding:
    """One difference between code and manifest.

    Attributes:
        file: the file, as the caller named it.
        line: its line, from 1.
        severity: whether it keeps the bundle from being published.
        use: what kind of use it is about, such as ``network``.
        said: what was found.
        why: why it matters.
        fix: what to do.
    """

    file: str
    line: int
    severity: Severity
    use: str
    said: str
    why: str
    fix: str

    @override
    def __str__(self) -> str:
        """One line, as compilers print it."""
        return f"{self.file}:{self.line}: {self.severity}: {self.said} ({self.use}): {self.why}; {self.fix}"


@dataclass(frozen=True)
class _Place:
    file: str
    use: Use
    rule: Rule


def lint(
    modules: Mapping[str, bytes], project: Project, toml: bytes = b"", brought: frozenset[str] | None = frozenset()
) -> tuple[Finding, ...]:
    """Returns what the code uses and the manifest does not ask for, and the other way round; sorted by place.

    Args:
        modules: the sources by the path that a finding shall name; other files than ``*.py`` are passed over.
        project: the manifest.
        toml: the bytes of ``cryptlet.toml``, to name the line of a key in it.
        brought: import names that the locked dependencies bring; None where their wheels are not at hand, and any
            import may be of one.
    """
    found: list[Finding] = []
    places: list[_Place] = []
    imported: set[str] = set()
    for file, source in modules.items():
        if not file.endswith(".py"):
            continue
        try:
            uses = read_uses(source, file)
        except Malformed as error:
            found.append(_error(file, 1, "source", error.reason, "it cannot be imported", "write valid Python"))
            continue
        imported |= {use.name.partition(".")[0] for use in uses if use.is_import}
        places += _placed(file, uses)
        found += _foreign(file, uses, project, brought)
        found += _strange_members(file, uses)
    found += [_undeclared(place) for place in places if not _is_declared(place.rule, project)]
    found += _unused(project, {place.rule.use for place in places}, imported, toml)
    return tuple(sorted(found, key=lambda one: (one.file, one.line, one.said)))


def _placed(file: str, uses: tuple[Use, ...]) -> Iterator[_Place]:
    """Yields the first use of every name of the tables; a second one would tell nothing new."""
    seen: set[str] = set()
    for use in uses:
        name = _ruled(use.name)
        if name is not None and name not in seen:
            seen.add(name)
            yield _Place(file, Use(use.line, name), _BY_NAME[name])


def _ruled(name: str) -> str | None:
    """Returns the longest beginning of a dotted name that stands in the tables; ``from os import *`` is all of it."""
    parts = name.split(".")
    if parts[-1] == "*":
        return min((known for known in _BY_NAME if known.startswith(name[:-1])), default=None)
    return next((head for end in range(len(parts), 0, -1) if (head := ".".join(parts[:end])) in _BY_NAME), None)


def _is_declared(rule: Rule, project: Project) -> bool:
    return rule.capability in project.capabilities or (rule.is_chance and project.determinism.mode == "none")


def _undeclared(place: _Place) -> Finding:
    rule, name = place.rule, place.use.name.removeprefix("builtins.")
    return _error(place.file, place.use.line, rule.use, f"uses {name}", rule.why, rule.fix)


def _foreign(file: str, uses: tuple[Use, ...], project: Project, brought: frozenset[str] | None) -> Iterator[Finding]:
    """Yields imports that find nothing in a container, or something that is not an author's."""
    own = {project.source.package, *(brought or ())}
    for use in uses:
        head = use.name.partition(".")[0]
        if not use.is_import or _ruled(use.name) or head in own or head in _PROVIDED:
            continue
        if head not in _PLATFORM:
            if brought is None:
                continue
            why = "a container has the standard library, pydantic, fabric.sdk and what [[dependencies]] locks"
            fix = "write it with these, or lock a wheel that has it"
            yield _error(file, use.line, "import", f"imports {head}", why, fix)
        elif not f"{use.name}.".startswith("fabric.sdk."):
            why = "of the platform only fabric.sdk is an author's; the rest changes without notice"
            yield _error(file, use.line, "import", f"imports {use.name}", why, "import from fabric.sdk")


def _strange_members(file: str, uses: tuple[Use, ...]) -> Iterator[Finding]:
    for use in uses:
        member = use.name.removeprefix(f"{CONTEXT}.").partition(".")[0]
        if use.name.startswith(f"{CONTEXT}.") and member not in _MEMBERS and not use.is_import:
            why = "a context has no such member, and nothing of the world outside is granted by this version"
            fix = f"take what is needed as input; a context has {', '.join(sorted(_MEMBERS))}"
            yield _error(file, use.line, "context", f"asks the context for {member!r}", why, fix)


def _unused(project: Project, used: set[str], imported: set[str], toml: bytes) -> Iterator[Finding]:
    """Yields what the manifest asks for and no code uses."""
    rules = {rule.capability: rule.use for rule in RULES if rule.capability}
    used = used | {rules[NATIVE]} if project.native else used
    for name in project.capabilities:
        if rules.get(name) not in used:
            why = "who runs the bundle is asked to grant it for nothing"
            yield _warning(toml, "capabilities", f"asks for {name!r}, and no module uses it", why, "take it out")
    if project.determinism.mode == "none" and not used:
        why = "without the promise no ring can run it"
        fix = 'write mode = "strict", unless the result hangs on something that lint does not see'
        yield _warning(toml, "mode", "gives no promise of determinism, and no module uses clock or chance", why, fix)
    if project.hardware.gpus and not imported & _ACCELERATED:
        why = "it waits for a place that has one"
        yield _warning(toml, "gpus", "asks for an accelerator, and no module uses one", why, "take gpus out")


def _error(file: str, line: int, use: str, said: str, why: str, fix: str) -> Finding:
    return Finding(file, line, Severity.ERROR, use, said, why, fix)


def _warning(toml: bytes, key: str, said: str, why: str, fix: str) -> Finding:
    found = re.search(rf"^[ \t]*{key}[ \t]*=".encode(), toml, re.MULTILINE)
    line = toml.count(b"\n", 0, found.start()) + 1 if found else 1
    return Finding(TOML_NAME, line, Severity.WARNING, key, said, why, fix)
