"""Data service: data that is listed beside code: what a value looks like, how fresh it is, where it comes from.

It has no class and no methods: nothing of it runs. One canonical JSON document is all of it, and its id follows from
the document, as a bundle's measurement follows from its wheel (docs/spec/data-service.md).
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from fabric.bundles.manifest import parse_readme
from fabric.bundles.tables import NAME_PATTERN, VERSION_PATTERN, HttpsUrl, Licence, Readme, Table, Text
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import AuthorError, Malformed
from fabric.core.ids import Measurement, sha256, tag
from registry.data_schema import check_schema, check_value

FORMAT: Final = "cryptlet-fabric/data-service/v1"
TOML_NAME: Final = "data.toml"
MAX_BYTES: Final = 1 << 20
"""Longest document, and longest of its files."""
_TAG: Final = tag(FORMAT)
_Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)]
_Version = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
_File = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.json$", max_length=100)]
_Freshness = Annotated[int, Field(ge=1, le=366 * 86_400)]


class DataSource(Table):
    """Where the data comes from.

    Attributes:
        text: in words, one line.
        url: where to read more.
    """

    text: Text
    url: HttpsUrl


class _Common(Table):
    name: _Name
    version: _Version
    description: Text
    licence: Licence | None = None
    freshness_seconds: _Freshness
    source: DataSource


class _Files(_Common):
    """Table ``[data]`` of ``data.toml``, which names files."""

    schema_file: Annotated[_File, Field(alias="schema")]
    sample: _File
    readme: Readme | None = None


class _Toml(Table):
    data: _Files


class _Document(_Common):
    format: Annotated[str, StringConstraints(pattern=f"^{FORMAT}$")]
    schema_value: Annotated[dict[str, object], Field(alias="schema")]
    sample: object
    licence: Licence | None
    readme: str | None


@dataclass(frozen=True)
class DataService:
    """A checked data service.

    Attributes:
        document: its canonical JSON.
        name: words of a-z and 0-9 joined by ``-``.
        version: as a cryptlet's.
        description: one line for people.
        licence: SPDX expression of the data; None where its provider says nothing.
        freshness_seconds: a value is at most so old when it is handed out.
        source: where the data comes from.
        schema: JSON Schema of a value, of the words of ``registry.data_schema``.
        sample: one value, which satisfies the schema.
        readme: Markdown for people, as hostile as its author may be; None where there is none.
    """

    document: bytes
    name: str
    version: str
    description: str
    licence: str | None
    freshness_seconds: int
    source: DataSource
    schema: JsonObject
    sample: canonical.JsonValue
    readme: str | None

    @property
    def measurement(self) -> Measurement:
        """Its id: SHA-256 of tag and digest of the document, which no bundle can have."""
        return Measurement(sha256(_TAG, sha256(self.document)))

    @property
    def title(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def filename(self) -> str:
        """What the document's file is called."""
        return f"{self.name}-{self.version}.data.json"


def is_data_service(folder: Path) -> bool:
    """Says whether a folder is the project of a data service."""
    return (folder / TOML_NAME).is_file()


def read_data_service(document: bytes) -> DataService:
    """Reads the document of a data service.

    Raises:
        Malformed: any other bytes; names the field.
    """
    fields = canonical.decode_object(document, max_bytes=MAX_BYTES)
    try:
        one = TypeAdapter(_Document).validate_python(fields)
    except ValidationError as error:
        raise _refusal("data service", error) from error
    schema = check_schema(fields["schema"])
    check_value(fields["sample"], schema)
    return DataService(
        document=document,
        name=one.name,
        version=one.version,
        description=one.description,
        licence=one.licence,
        freshness_seconds=one.freshness_seconds,
        source=one.source,
        schema=schema,
        sample=fields["sample"],
        readme=None if one.readme is None else parse_readme(one.readme.encode()),
    )


def build_data_service(folder: Path) -> DataService:
    """Builds the document of a data service from a folder with ``data.toml`` and the files that it names.

    Raises:
        Malformed: a file is not what it should be; names file and key.
        AuthorError: a file cannot be read, or is a link.
    """
    toml = _read(folder / TOML_NAME)
    try:
        told = _Toml.model_validate(tomllib.loads(toml.decode())).data
    except ValidationError as error:
        raise _refusal(TOML_NAME, error) from error
    except (ValueError, RecursionError) as error:
        raise Malformed(TOML_NAME, f"no TOML: {error}") from error
    fields: JsonObject = {
        "format": FORMAT,
        "name": told.name,
        "version": told.version,
        "description": told.description,
        "licence": told.licence,
        "freshness_seconds": told.freshness_seconds,
        "source": {"text": told.source.text, "url": told.source.url},
        "schema": canonical.parse(_read(folder / told.schema_file)),
        "sample": canonical.parse(_read(folder / told.sample)),
        "readme": None if told.readme is None else parse_readme(_read(folder / told.readme), told.readme),
    }
    return read_data_service(canonical.encode(fields))


def _read(path: Path) -> bytes:
    try:
        if path.is_symlink():
            raise AuthorError(f"{path}: a link; a data service is made of plain files of its own folder")
        if path.stat().st_size > MAX_BYTES:
            raise AuthorError(f"{path}: at most {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise AuthorError(f"{path}: cannot be read: {error.strerror or error}") from error


def _refusal(what: str, error: ValidationError) -> Malformed:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ascii(".".join(map(str, first["loc"])))[1:-1][:200]
    return Malformed(f"{what}: {place}", first["msg"].removeprefix("Value error, "))
