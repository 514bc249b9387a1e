"""Configuration: a TOML file and the environment; the environment wins, an unknown key is an error.

Environment names are ``CRYPTLET_`` and the key, sections joined by two underscores: ``CRYPTLET_GATEWAY__LISTEN``.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from fabric.core.errors import ConfigError
from fabric.core.plugins import nearest
from fabric.relay.model import RELAY_CALLER

PREFIX: Final = "CRYPTLET_"
API_KEY_VARIABLE: Final = "CRYPTLET_API_KEY"
"""A caller's key, which the commands read; not a key of the configuration."""
FILE_NAME: Final = "cryptlet-fabric.toml"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""Of a ledger or a machine: it becomes the name of a folder, and a label of Ray's."""


MARKET_PREFIX: Final = f"{PREFIX}MARKET_"
"""Of variables that the marketplace's commands read; they say nothing to a fabric."""


class Section(BaseModel):
    """A table of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Gateway(Section):
    """The gRPC door.

    Attributes:
        listen: ``host:port``; port 0 takes a free one.
        callers: name of each caller and the SHA-256 (64 hexadecimal digits) of its API key; nobody may be called
            ``relay``, in whose name records for mailboxes are made.
        max_batch: most invocations in one batch.
        deadline_ms: run time of a call that names none.
    """

    listen: str = "127.0.0.1:7070"
    callers: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = {}
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 512
    deadline_ms: Annotated[int, Field(ge=1, le=300_000)] = 10_000

    @field_validator("callers")
    @classmethod
    def _nobody_is_the_relay(cls, callers: dict[str, str]) -> dict[str, str]:
        if RELAY_CALLER in callers:
            raise ValueError(f"{RELAY_CALLER!r} is the fabric's own name; choose another for this caller")
        return callers


class Ledger(Section):
    """One ledger.

    Attributes:
        kind: name of the adapter's plug-in.
        embedded: whether ``up`` starts the adapter's own development ledger in the state folder; otherwise it runs
            elsewhere, and the options say where.
        options: the adapter's own settings.
    """

    kind: str
    embedded: bool = True
    options: dict[str, str | int | bool] = {}


class Runtime(Section):
    """Enclaves and Ray.

    Attributes:
        enclaves: how many enclaves this machine keeps warm; 0 where all are on the nodes of a cluster.
        cpus: CPUs given to Ray.
        allow_unjailed_ray: run Ray without the jail that hides the fabric's keys from it; stated at start-up.
    """

    enclaves: Annotated[int, Field(ge=0, le=64)] = 1
    cpus: Annotated[int, Field(ge=1, le=1024)] = 2
    allow_unjailed_ray: bool = False


class Node(Section):
    """Another machine, which runs ``cryptlet node up``.

    Attributes:
        attester: Ed25519 key (64 hexadecimal digits) that vouches for its enclaves; ``cryptlet node key`` prints it.
        enclaves: how many run there.
    """

    attester: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    enclaves: Annotated[int, Field(ge=1, le=64)] = 1


class Cluster(Section):
    """A Ray of several machines; see docs/guide/cluster.md.

    Attributes:
        head: ``address:port`` of the head's Ray; without it Ray is this machine's own.
        address: this machine's, by which the nodes reach it.
        token_file: file with the cluster's token.
        name: of this machine in the cluster.
        ports: where this machine's parts of Ray listen, ``FIRST-LAST``.
        reach: ports of all machines; ``ports`` by default.
        facts: where the file is written from which nodes learn what to sign for; by default in the state folder.
        nodes: the other machines by name.
    """

    head: Annotated[str, Field(pattern=r"^([^\s:]+:\d{1,5})?$")] = ""
    address: str = ""
    token_file: Path = Path("ray.token")
    name: Name = "gateway"
    ports: str = "21000-21063"
    reach: str = ""
    facts: Path | None = None
    nodes: dict[Name, Node] = {}


class Appraisal(Section):
    """The appraiser that ``up`` starts for development, and how many must agree.

    Attributes:
        embedded: start one appraiser in a process of its own; it and the fabric then share an operator.
        validity_seconds: how long an attestation result holds.
    """

    embedded: Literal[True] = True
    validity_seconds: Annotated[int, Field(ge=60, le=31_622_400)] = 86_400


class Served(Section):
    """A registry that somebody serves.

    Attributes:
        url: its address, or the folder of a mirror.
        root: file of the root metadata that it is trusted by, got from its operator.
    """

    url: Annotated[str, Field(min_length=1)]
    root: Path


class Config(Section):
    """The whole configuration.

    Attributes:
        state: folder for everything durable.
        store: ``postgresql://`` URL of the database; by default a SQLite file in the state folder.
        registry: folder of the local registry, which is not used where served ones are named.
        registries: served registries by name, asked in this order; bundles without their standing do not run.
        registry_poll_seconds: how often served registries are asked what bundles are worth.
        publishers: name and Ed25519 key (64 hexadecimal digits) of each publisher that the written policy accepts.
    """

    state: Path = Path(".state")
    store: SecretStr | None = None
    registry: Path = Path(".state/registry")
    registries: dict[Name, Served] = {}
    registry_poll_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    publishers: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = {}
    gateway: Gateway = Gateway()
    runtime: Runtime = Runtime()
    cluster: Cluster = Cluster()
    appraisal: Appraisal = Appraisal()
    ledgers: dict[Name, Ledger] = {
        "native": Ledger(kind="native"),
        "ethereum": Ledger(kind="ethereum"),
    }

    @field_validator("store")
    @classmethod
    def _store_is_a_servers(cls, store: SecretStr | None) -> SecretStr | None:
        # A file of one's choice may be another gateway's too: only the state folder's is held by its lock.
        if store is not None and not store.get_secret_value().startswith(("postgresql://", "postgresql+psycopg://")):
            raise ValueError("expected postgresql://USER@HOST/DATABASE; leave it out for a file in the state folder")
        return store


def load_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Reads the configuration.

    Args:
        path: the TOML file; None takes ``cryptlet-fabric.toml`` in the working folder if it is there.
        environ: the environment.

    Raises:
        ConfigError: unreadable file, unknown key (with the nearest valid one) or wrong value, naming the place.
    """
    source = path or Path(FILE_NAME)
    values = _read(source) if path or source.exists() else {}
    variables = _merge_environment(values, environ)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, str(source), variables)) from error


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error


def _merge_environment(values: dict[str, object], environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Writes the environment over the file's values; returns the variable that set each key."""
    variables = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name == API_KEY_VARIABLE or name.startswith(MARKET_PREFIX):
            continue
        *sections, key = name.removeprefix(PREFIX).lower().split("__")
        table = values
        for section in sections:
            inner = table.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"environment {name}: {section} is not a table")
            table = inner
        table[key] = text
        variables[*sections, key] = name
    return variables


def _explain(error: ValidationError, source: str, variables: Mapping[tuple[str, ...], str]) -> str:
    first = error.errors()[0]
    parts = tuple(map(str, first["loc"]))
    place = ".".join(parts)
    where = f"environment variable {variables[parts]}" if parts in variables else f"{source} or environment"
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown key {place!r}{_suggest(first['loc'])}"
    return f"{where}: {place}: {first['msg']}"


def _suggest(place: tuple[int | str, ...]) -> str:
    return nearest(str(place[-1]), sorted(_table(place[:-1]).model_fields))


def _table(place: Sequence[int | str]) -> type[Section]:
    """Returns the section at a place of the configuration."""
    section: type[Section] = Config
    parts = iter(place)
    for part in parts:
        kind: Any = section.model_fields[str(part)].annotation
        tables = [each for each in get_args(kind) if isinstance(each, type) and issubclass(each, Section)]
        if tables:
            next(parts, None)  # of a table of tables: a name that the operator chose
        section = tables[0] if tables else kind
    return section
