"""Scaffold: the files of a new project, out of the templates beside this module.

A template is a file named ``*.tmpl`` with ``$names`` in it. In its path ``dot-`` stands for a leading dot, and
``package`` for the name of the package.
"""

import json
import keyword
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Final

from fabric.core.errors import Malformed, StoreError

TEMPLATES: Final = Path(__file__).with_name("templates")
MAX_NAME_LENGTH: Final = 64
RULE: Final = f"expected words of a-z and 0-9 joined by -, beginning with a letter, {MAX_NAME_LENGTH} letters at most"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TAKEN_CLASSES: Final = frozenset(
    {"AwareDatetime", "BaseModel", "ConfigDict", "Context", "ContractCryptlet", "Cryptlet", "Field", "InvalidInput"}
    | {"AcknowledgementLetter", "DeliveryLetter", "Final", "LedgerEvents", "ValidationError"}
    | {"Claim", "Decision", "Delivery", "Line", "Order", "Total"}
)
"""Names that a template uses for something else."""


class Kind(StrEnum):
    """What a project is about; the value names the folder of its templates."""

    UTILITY = "utility"
    CONTRACT = "contract"
    RELAY = "relay"

    @property
    def cryptlet(self) -> str:
        """The kind in ``cryptlet.toml``: a relay is a utility whose two methods the fabric itself calls."""
        return "contract" if self is Kind.CONTRACT else "utility"


_EXAMPLES: Final = {
    Kind.UTILITY: ("total", "order.json"),
    Kind.CONTRACT: ("decide", "delivery.json"),
    Kind.RELAY: ("deliver", "sent.json"),
}
_MODELS: Final = {
    Kind.UTILITY: ("Line", "Order", "Total"),
    Kind.CONTRACT: ("Decision", "Delivery"),
    Kind.RELAY: ("MOST_CENTS", "Claim"),
}
_DESCRIPTIONS: Final = {
    Kind.UTILITY: "Adds up the lines of an order.",
    Kind.CONTRACT: "Releases a deposit when goods were delivered in time.",
    Kind.RELAY: "Carries claims between two ledgers, up to an amount.",
}


@dataclass(frozen=True)
class Project:
    """What the templates are filled with.

    Attributes:
        name: the cryptlet's name.
        package: its import name.
        class_name: its class.
        templates: folder of its templates: ``utility``, ``contract`` or ``relay``.
        kind: ``utility`` or ``contract``, as ``cryptlet.toml`` says it.
        description: one line for people.
        method: the method of the template's class that its example is for.
        example: file with an input of it.
        imports: what its test imports, in the order in which ruff wants it.
    """

    name: str
    package: str
    class_name: str
    templates: str
    kind: str
    description: str
    method: str
    example: str
    imports: str


def project_of(name: str, kind: Kind) -> Project:
    """Returns what a project of this name is made of.

    Raises:
        Malformed: the name cannot be used; says the rule, and a name that would do.
    """
    if (reason := _refusal(name)) is not None:
        raise Malformed(f"NAME {name!r}", f"{reason}; {_suggested(name)!r} would do")
    package = name.replace("-", "_")
    camel = "".join(word.capitalize() for word in name.split("-"))
    class_name = camel + "Service" if camel in _TAKEN_CLASSES else camel
    method, example = _EXAMPLES[kind]
    constants = [each for each in _MODELS[kind] if each.isupper()]
    models = [each for each in _MODELS[kind] if not each.isupper()]
    imports = ", ".join([*constants, *sorted((class_name, *models))])
    names = (name, package, class_name)
    return Project(*names, kind.value, kind.cryptlet, _DESCRIPTIONS[kind], method, example, imports)


def write_project(folder: Path, project: Project) -> list[Path]:
    """Writes a project, whole or not at all; returns the paths of its files below the folder, sorted.

    Raises:
        Refused: the folder holds something already.
        StoreError: it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{project.name}-", dir=folder.parent) as draft:
            written = [_write(Path(draft) / "project" / path, text) for path, text in _files(project)]
            # The kernel puts a folder in the place of an empty one, and of no other.
            (Path(draft) / "project").rename(folder)
    except OSError as error:
        raise StoreError(f"{error.filename2 or error.filename or folder}: {error.strerror or error}") from error
    return sorted(path.relative_to(Path(draft) / "project") for path in written)


def _files(project: Project) -> Iterator[tuple[Path, str]]:
    for root in (TEMPLATES / "project", TEMPLATES / project.templates):
        for template in sorted(root.rglob("*.tmpl")):
            text = Template(template.read_text(encoding="utf-8")).substitute(asdict(project))
            yield _target(template.relative_to(root), project), text
    yield Path(".vscode/cryptlet.schema.json"), _schema()


def _target(path: Path, project: Project) -> Path:
    parts = [part.replace("package", project.package).replace("dot-", ".") for part in path.with_suffix("").parts]
    return Path(*parts)


def _schema() -> str:
    """Returns the JSON Schema of ``cryptlet.toml``, by which an editor completes and checks it."""
    from fabric.bundles.manifest import Project as Manifest

    return json.dumps(Manifest.model_json_schema(), indent=2) + "\n"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _refusal(name: str) -> str | None:
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        return RULE
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        return f"{package!r} is a word or a module of Python itself"
    if _is_installed(package):
        return f"{package!r} is the import name of a package that is installed here, and one would hide the other"
    return None


def _is_installed(package: str) -> bool:
    found = find_spec(package)
    return found is not None and found.origin is not None  # a folder that happens to have the name has no origin


def _suggested(name: str) -> str:
    words = re.findall(r"[a-z0-9]+", name.lower())
    text = "-".join(words)[: MAX_NAME_LENGTH - 9].strip("-") or "cryptlet"
    return text if _refusal(text) is None else f"my-{text}"
