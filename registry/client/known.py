"""Known registries: which ones this user trusts, by which root, and which of them answers for which namespace.

``registries.toml`` in the configuration folder, one table a registry; its root metadata lies beside it. A namespace is
asked of one registry alone, so that nobody can offer `acme/pay` elsewhere and be believed (dependency confusion).
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from fabric.core.clock import Clock, SystemClock
from fabric.core.errors import ConfigError, NotFound, Refused
from fabric.core.plugins import nearest
from registry.client.reader import Reader
from registry.client.transport import open_location
from registry.client.trusted import Trusted
from registry.files import Shelf
from registry.names import parse_name

FILE: Final = "registries.toml"
ANY: Final = "*"
HOME: Final = "CRYPTLET_MARKET_HOME"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")


class Entry(BaseModel):
    """One registry.

    Attributes:
        url: its address, or the folder of a mirror.
        namespaces: those that it answers for; ``*`` stands for all that no other registry is named for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    url: Annotated[str, Field(min_length=1, max_length=2000)]
    namespaces: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=1000)] = (ANY,)


@dataclass(frozen=True)
class Folders:
    """Where a user's things lie: configuration, state that must not be lost, cache (XDG base directories)."""

    config: Path
    state: Path
    cache: Path


@dataclass(frozen=True)
class Known:
    """The registries that a user trusts.

    Attributes:
        folders: where they are noted.
        entries: by name.
    """

    folders: Folders
    entries: Mapping[str, Entry]

    def name_for(self, namespace: str) -> str:
        """Returns the one registry that answers for a namespace.

        Raises:
            NotFound: none is known.
            Refused: several could be meant.
        """
        named = [name for name, entry in self.entries.items() if namespace in entry.namespaces]
        open_to_all = [name for name, entry in self.entries.items() if ANY in entry.namespaces]
        if named or len(open_to_all) == 1:
            return (named or open_to_all)[0]
        if not open_to_all:
            raise NotFound(
                f"no registry is known for the namespace {namespace!r}: `cryptlet registry trust NAME URL --root FILE`"
                " names one whose root metadata you got from its operator"
            )
        raise Refused(
            f"the namespace {namespace!r} could be meant of {', '.join(sorted(open_to_all))}: pin it to one with"
            f" `cryptlet registry pin NAME {namespace}`, so that nobody can offer it elsewhere"
        )

    def entry(self, name: str) -> Entry:
        """Returns a registry by its name; raises ``NotFound`` and names the nearest."""
        if name not in self.entries:
            raise NotFound(f"no registry is known as {name!r}{nearest(name, sorted(self.entries))}")
        return self.entries[name]

    def open(self, name: str, clock: Clock | None = None) -> Reader:
        """Returns a reader of a registry; raises ``NotFound`` and ``ConfigError``."""
        clock = clock or SystemClock()
        source = open_location(self.entry(name).url, clock)
        root = Shelf(self.folders.config).read(f"roots/{name}.json")
        if root is None:
            raise ConfigError(f"{self.folders.config}/roots/{name}.json is missing: trust the registry again")
        trusted = Trusted(source, root, self.folders.state / "registries" / name, self.folders.cache / "registries")
        return Reader(source, trusted, clock)

    def trust(self, name: str, entry: Entry, root: bytes) -> "Known":
        """Notes a registry with the root metadata that it is trusted by, got from its operator; returns all.

        Raises:
            ConfigError: the name or the address cannot be used, or another registry bears the name.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(f"a registry's name is a-z, 0-9 and '-', at most 32 characters, got {name[:40]!r}")
        open_location(entry.url)
        known = Shelf(self.folders.config).read(f"roots/{name}.json")
        if known is not None and known != root:
            raise ConfigError(f"{name!r} is trusted with another root: `cryptlet registry forget {name}` first")
        Shelf(self.folders.config).put(f"roots/{name}.json", root)
        return self._with({**self.entries, name: entry})

    def pin(self, name: str, namespaces: tuple[str, ...]) -> "Known":
        """Names a registry for namespaces; returns all; raises ``NotFound``, ``ConfigError`` where another is named."""
        entry = self.entry(name)
        joined = tuple(dict.fromkeys((*entry.namespaces, *(parse_name(item, "namespace") for item in namespaces))))
        return self._with({**self.entries, name: entry.model_copy(update={"namespaces": joined})})

    def forget(self, name: str) -> "Known":
        """Trusts a registry no more. What was seen of it is kept, against a rollback later; returns the rest."""
        self.entry(name)
        Shelf(self.folders.config).remove(f"roots/{name}.json")
        return self._with({key: value for key, value in self.entries.items() if key != name})

    def _with(self, entries: Mapping[str, Entry]) -> "Known":
        _check(entries)
        text = "".join(_table(name, entry) for name, entry in sorted(entries.items()))
        Shelf(self.folders.config).put(FILE, text.encode())
        return Known(self.folders, entries)


def folders(environ: Mapping[str, str] = os.environ) -> Folders:
    """Returns a user's folders; ``CRYPTLET_MARKET_HOME`` puts all three below one."""
    home = environ.get(HOME)
    if home:
        return Folders(*(Path(home) / part for part in ("config", "state", "cache")))
    defaults = {"XDG_CONFIG_HOME": ".config", "XDG_STATE_HOME": ".local/state", "XDG_CACHE_HOME": ".cache"}
    return Folders(*(Path(environ.get(key) or Path.home() / value) / "cryptlet" for key, value in defaults.items()))


def load_known(where: Folders) -> Known:
    """Reads which registries a user trusts; none where there is no file.

    Raises:
        ConfigError: the file cannot be used; names the place.
    """
    data = Shelf(where.config).read(FILE)
    place = where.config / FILE
    try:
        tables = tomllib.loads((data or b"").decode())
        entries = {name: Entry.model_validate(table) for name, table in tables.items()}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place}: no TOML: {error}") from error
    _check(entries)
    return Known(where, entries)


def read_root(path: Path) -> bytes:
    """Returns a file of root metadata; raises ``ConfigError`` for anything else."""
    try:
        data = path.read_bytes()
        root = Metadata[Root].from_bytes(data)
        root.verify_delegate("root", root)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; it comes from the registry's operator") from error
    except RepositoryError as error:
        raise ConfigError(f"{path}: no root metadata of TUF: {error}") from error
    return data


def _check(entries: Mapping[str, Entry]) -> None:
    """Refuses a namespace that two registries are named for."""
    owner: dict[str, str] = {}
    for name, entry in entries.items():
        for namespace in entry.namespaces:
            if namespace != ANY and owner.setdefault(namespace, name) != name:
                raise ConfigError(f"the namespace {namespace!r} is pinned to {owner[namespace]!r} and to {name!r}")


def _table(name: str, entry: Entry) -> str:
    namespaces = ", ".join(json.dumps(item) for item in entry.namespaces)
    return f"[{name}]\nurl = {json.dumps(entry.url)}\nnamespaces = [{namespaces}]\n\n"
