"""Manifest: what a bundle says about itself, in two files that never say the same thing twice.

``cryptlet.toml`` is the author's word, taken into the wheel byte for byte; ``methods.json`` is derived from the class
when the bundle is built (docs/spec/bundle.md, section 4).
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from fabric.bundles.lock import MAX_DEPENDENCIES, RESERVED_PACKAGES, Dependency
from fabric.bundles.native import Needs
from fabric.bundles.tables import NAME_PATTERN, PART, VERSION_PATTERN, HttpsUrl, Licence, Readme, Table, Text
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.capabilities import KNOWN, NATIVE
from fabric.core.errors import Malformed

TOML_NAME: Final = "cryptlet.toml"
METHODS_NAME: Final = "methods.json"
README_NAME: Final = "README.md"
"""In a bundle; in the project it may have another."""
MAX_TOML_BYTES: Final = 65_536
MAX_METHODS_BYTES: Final = 1 << 20
MAX_README_BYTES: Final = 65_536
MAX_METHODS: Final = 64
MAX_MODULES: Final = 500
_MODULE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*/)*([A-Za-z_][A-Za-z0-9_]*\.py|py\.typed)")
_WORD: Final = "[A-Za-z_][A-Za-z0-9_]*"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Controls, and the ones that turn the direction of a text around, so that it reads otherwise than it is."""
_METHOD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Identity(Table):
    """Table ``[cryptlet]``.

    Attributes:
        name: words of a-z and 0-9 joined by ``-``.
        version: ``1.2.3``, with ``a1``, ``b1`` or ``rc1`` behind it before a release (PEP 440).
        kind: ``utility`` or ``contract``.
        entry: ``module:Class``.
        description: one line for people.
        namespace: the only one under which a registry publishes it; None where any may.
        licence: SPDX expression; None where the author says nothing, so that nobody may use it.
        readme: Markdown file of the project, for people; it goes into the bundle.
        homepage: what else there is to know.
        repository: where the sources are.
    """

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)]
    version: Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
    kind: Literal["utility", "contract"]
    entry: Annotated[str, StringConstraints(pattern=rf"^{_WORD}(\.{_WORD})*:{_WORD}$", max_length=200)]
    description: Text
    namespace: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)] | None = None
    licence: Licence | None = None
    readme: Readme | None = None
    homepage: HttpsUrl | None = None
    repository: HttpsUrl | None = None


class Source(Table):
    """Table ``[source]``: what goes into the wheel, and under which import name.

    Attributes:
        package: the import name; the modules stand in a folder of this name in the wheel.
        root: where the modules lie in the project, relative to ``cryptlet.toml``.
        modules: their paths below ``root``; Python sources and ``py.typed`` only.
    """

    package: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
    root: Annotated[str, StringConstraints(pattern=rf"^(\.|{PART}(/{PART})*)$")] = "."
    modules: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=MAX_MODULES)]

    @field_validator("package")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value in RESERVED_PACKAGES:
            raise ValueError(f"{value!r} is a package of the platform; choose another name")
        return value

    @field_validator("modules")
    @classmethod
    def _are_modules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not _MODULE.fullmatch(name):
                raise ValueError(f"{name!r} is no Python source; a bundle is pure: '*.py' and 'py.typed' only")
        if len(set(value)) != len(value):
            raise ValueError("a module is listed twice")
        folders = {""} | {name[: at + 1] for name in value for at, letter in enumerate(name) if letter == "/"}
        lacking = sorted(folder for folder in folders if f"{folder}__init__.py" not in value)
        if lacking:
            raise ValueError(f"'{lacking[0]}__init__.py' is not listed, so the modules beside it are no package")
        return value


class Hardware(Table):
    """Table ``[hardware]``: the hardware profile that the cryptlet asks for.

    Attributes:
        cpus: processors.
        gpus: accelerators.
        memory_mb: memory in MiB.
        labels: what the place must be, such as ``tee = "tdx"``.
    """

    cpus: Annotated[int, Field(ge=1, le=256)] = 1
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    memory_mb: Annotated[int, Field(ge=64, le=1 << 20)] = 256
    labels: dict[Text, Text] = Field(default_factory=dict, max_length=32)


class Price(Table):
    """Table ``[price]``: what its author asks for one invocation; nothing is charged yet.

    Attributes:
        amount: decimal digits, such as ``"0.05"``.
        currency: capital letters, such as ``"EUR"``.
    """

    amount: Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,18})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,12}$")]


class Determinism(Table):
    """Table ``[determinism]``.

    Attributes:
        mode: ``strict``: the same input and context give the same bytes on every machine, as a ring needs it;
            ``none``: no such promise.
    """

    mode: Literal["strict", "none"]


class Project(Table):
    """The whole of ``cryptlet.toml``."""

    cryptlet: Identity
    source: Source
    determinism: Determinism
    capabilities: Annotated[tuple[str, ...], Field(strict=False)] = ()
    hardware: Hardware = Hardware()
    price: Price | None = None
    dependencies: Annotated[tuple[Dependency, ...], Field(strict=False, max_length=MAX_DEPENDENCIES)] = ()

    @field_validator("capabilities")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - KNOWN):
            raise ValueError(f"this version of the fabric grants no capability {unknown[0]!r}; known: {sorted(KNOWN)}")
        if len(set(value)) != len(value):
            raise ValueError("a capability is listed twice")
        return value

    @field_validator("dependencies")
    @classmethod
    def _each_once(cls, value: tuple[Dependency, ...]) -> tuple[Dependency, ...]:
        if len({one.name for one in value}) != len(value) or len({one.sha256 for one in value}) != len(value):
            raise ValueError("a dependency is listed twice")
        return value

    @property
    def native(self) -> dict[str, Needs]:
        """What each binary wheel that it locks needs of a machine, by file name."""
        return {one.filename: one.needs for one in self.dependencies if one.needs is not None}

    @model_validator(mode="after")
    def _asks_for_native(self) -> Self:
        if self.native and NATIVE not in self.capabilities:
            raise ValueError(
                f'{min(self.native)} is a binary wheel: write capabilities = ["{NATIVE}"] at the top, which every'
                " binding then has to grant, or lock a pure wheel"
            )
        return self

    @model_validator(mode="after")
    def _entry_in_package(self) -> Self:
        module = self.cryptlet.entry.partition(":")[0]
        if module.partition(".")[0] != self.source.package:
            raise ValueError(f"cryptlet.entry is in {module!r}, outside source.package {self.source.package!r}")
        return self


@dataclass(frozen=True)
class Manifest:
    """A bundle's manifest: the author's part and the derived part.

    Attributes:
        project: what ``cryptlet.toml`` says.
        methods: description, input and output schema by method; an input of None is a raw file.
    """

    project: Project
    methods: Mapping[str, JsonObject]

    @property
    def title(self) -> str:
        """``name@version``, as bindings and statements show it."""
        return f"{self.project.cryptlet.name}@{self.project.cryptlet.version}"


def parse_project(data: bytes) -> Project:
    """Reads ``cryptlet.toml``.

    Raises:
        Malformed: not TOML, or not a project; names the key, and for an unknown key the nearest known one.
    """
    if len(data) > MAX_TOML_BYTES:
        raise Malformed(TOML_NAME, f"at most {MAX_TOML_BYTES} bytes, got {len(data)}")
    try:
        tables = tomllib.loads(data.decode())
    except (ValueError, RecursionError, OverflowError) as error:
        raise Malformed(TOML_NAME, f"no TOML: {error}") from error
    try:
        return Project.model_validate(tables)
    except ValidationError as error:
        raise _refusal(error) from error


def parse_methods(data: bytes) -> Mapping[str, JsonObject]:
    """Reads ``methods.json``; raises ``Malformed``. The schemas themselves are not judged."""
    value = canonical.decode_object(data, max_bytes=MAX_METHODS_BYTES)
    if not 0 < len(value) <= MAX_METHODS:
        raise Malformed(METHODS_NAME, f"expected 1 to {MAX_METHODS} methods, got {len(value)}")
    return MappingProxyType({name: _method(name, item) for name, item in value.items()})


def parse_readme(data: bytes, name: str = README_NAME) -> str:
    """Reads a README: Markdown for people, shown by registries, so not without a check that it is text.

    Args:
        data: the file's bytes.
        name: its name, for the refusal.

    Raises:
        Malformed: empty, too long, not UTF-8, or with control characters other than LF and tab.
    """
    if not 0 < len(data) <= MAX_README_BYTES:
        raise Malformed(name, f"expected 1 to {MAX_README_BYTES} bytes, got {len(data)}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(name, f"no UTF-8: {error.reason} at byte {error.start}") from error
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Malformed(name, f"line {line}: {found[0]!a} is no text; save it as plain Markdown with LF alone")
    return text


def _method(name: str, value: JsonValue) -> JsonObject:
    if not _METHOD.fullmatch(name):
        raise Malformed(METHODS_NAME, f"{ascii(name)[:80]} is no name of a method")
    if not isinstance(value, dict) or set(value) != {"description", "input", "output"}:
        raise Malformed(f"{METHODS_NAME}: {name}", "expected an object with description, input and output")
    takes, gives = value["input"], value["output"]
    if not isinstance(value["description"], str) or not isinstance(gives, dict):
        raise Malformed(f"{METHODS_NAME}: {name}", "description is a text and output a schema")
    if takes is not None and not isinstance(takes, dict):
        raise Malformed(f"{METHODS_NAME}: {name}.input", "expected a schema, or null for a raw file")
    return value


def _refusal(error: ValidationError) -> Malformed:
    """Names the first key that is wrong, as it is spelled in TOML."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = [str(part) for part in first["loc"]]
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = f"unknown key{_nearest(place)}"
    return Malformed(f"{TOML_NAME}: {ascii('.'.join(place))[1:-1][:200] or 'project'}", reason)


def _nearest(place: list[str]) -> str:
    table = Project if len(place) == 1 else _TABLES[place[0]]
    known = sorted(table.model_fields)
    close = difflib.get_close_matches(place[-1], known, 1)
    return f" - did you mean {close[0]!r}?" if close else f" - known: {', '.join(known)}"


_TABLES: Final[Mapping[str, type[Table]]] = {
    "cryptlet": Identity,
    "source": Source,
    "hardware": Hardware,
    "price": Price,
    "determinism": Determinism,
    "dependencies": Dependency,
}
