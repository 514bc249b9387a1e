"""``header``: the typed stub of a bundle, from its wheel or by its reference."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli.common import To, parse, reader_for


def header(
    what: Annotated[str, typer.Argument(metavar="WHEEL|REF", help="Wheel file, or NAMESPACE/NAME@VERSION.")],
    solidity: Annotated[bool, typer.Option("--solidity", help="A library for contracts.")] = False,
    python: Annotated[bool, typer.Option("--python", help="Types and functions for clients.")] = False,
    field: Annotated[list[str], typer.Option("--field", help="Member of a payload; by default all.")] = [],  # noqa: B006 - typer makes its own
    out: Annotated[Path | None, typer.Option("--out", help="File to write; by default it is printed.")] = None,
    to: To = "",
) -> None:
    """Write what a contract or a client imports of a bundle: its measurement, its methods, its types."""
    from fabric.bundles.bundle import read_bundle
    from fabric.core.errors import Malformed
    from registry.cli.files import read_wheel
    from registry.files import Shelf
    from registry.header.python import python as for_python
    from registry.header.solidity import solidity as for_solidity

    if solidity is python:
        raise Malformed("header", "expected one of --solidity and --python")
    if Path(what).exists() or what.endswith(".whl"):
        bundle = read_bundle(read_wheel(Path(what)))
    else:
        ref = parse(what)
        reader = reader_for(ref.namespace, to)
        bundle = reader.wheel(reader.resolve(ref.namespace, ref.name, ref.version))[1]
    text = for_solidity(bundle, tuple(field)) if solidity else for_python(bundle)
    if out is None:
        typer.echo(text, nl=False)
    else:
        Shelf(out.parent).put(out.name, text.encode())
