"""What the commands share: options, where a user's registries are noted, how values are shown."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from registry.client.api import Api, Told
    from registry.client.known import Known
    from registry.client.reader import Reader
    from registry.names import Ref
    from registry.tuf.keys import Key

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
To = Annotated[str, typer.Option("--to", help="Name of the registry; by default the one for the namespace.")]
KeyFile = Annotated[Path, typer.Option("--key", help="Your Ed25519 key file.")]
DEFAULT_KEY = Path("publisher.key")


def known() -> "Known":
    """Returns the registries that the user trusts; raises ``ConfigError``."""
    from registry.client.known import folders, load_known

    return load_known(folders())


def api_for(namespace: str, to: str) -> "Api":
    """Returns the API of the registry for a namespace; raises ``NotFound``, ``Refused``, ``ConfigError``."""
    return open_api(to or known().name_for(namespace))


def open_api(name: str) -> "Api":
    """Returns the API of a registry, which signs nothing for another log than the one that is trusted by this name.

    Raises:
        NotFound: no such registry is known.
        ConfigError: it is a mirror.
    """
    from fabric.core.errors import ConfigError
    from registry.client.api import Api
    from registry.client.transport import Web, open_location

    mine = known()
    web = open_location(mine.entry(name).url)
    if not isinstance(web, Web):
        raise ConfigError(f"{name!r} is a mirror in {mine.entry(name).url}: entries go to the registry itself")
    return Api(web, cache(lambda: reader_for("", name).pins.origin))


def reader_for(namespace: str, to: str = "") -> "Reader":
    """Returns a refreshed reader of the registry that answers for a namespace; raises as ``Reader.refresh``."""
    mine = known()
    reader = mine.open(to or mine.name_for(namespace))
    reader.refresh()
    return reader


def open_own_key(path: Path) -> "Key":
    """Reads the user's key; raises ``ConfigError``."""
    from registry.tuf.keys import open_key

    return open_key(path)


def parse(ref: str, *, needs_version: bool = False) -> "Ref":
    """Reads a reference; raises ``Malformed``."""
    from fabric.core.errors import Malformed
    from registry.names import parse_ref

    found = parse_ref(ref)
    if needs_version and found.version is None:
        raise Malformed("reference", f"{ref}: a version is needed here, such as {ref}@1.0.0")
    return found


def told(outcome: "Told", *, as_json: bool, done: str, **more: object) -> None:
    """Shows what became of an entry; what it waits for goes to stderr too."""
    values = {"entry": outcome.digest.hex(), "position": outcome.position, "lacks": outcome.lacks, **more}
    if as_json:
        show(values, as_json=True)
        return
    if outcome.position is not None:
        show({**more, "done": done, "position": outcome.position}, as_json=False)
        return
    show({**more, "entry": outcome.digest.hex(), "waits": outcome.lacks}, as_json=False)
    if "owners" in outcome.lacks:
        typer.echo(f"an owner signs it by: cryptlet promote {outcome.digest.hex()} --key FILE", err=True)


def show(values: Mapping[str, object], *, as_json: bool, err: bool = False) -> None:
    """Prints values, by default one a line; to stderr where asked. Nothing in them speaks to the terminal."""
    from fabric.cli.plain import plain

    if as_json:
        typer.echo(json.dumps(values), err=err)
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        text = plain(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        typer.echo(f"{name:<{width}}  {text}".rstrip(), err=err)


def table(rows: Sequence[Sequence[object]]) -> None:
    """Prints rows in columns; nothing in them speaks to the terminal."""
    from fabric.cli.plain import plain

    texts = [[plain(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
