"""Draft: a binding of a published bundle as TOML, for its integrator to look over and put in force."""

from pathlib import Path
from typing import Final

from fabric.bundles.bundle import Bundle
from fabric.core.errors import Refused, StoreError

_DRAFT: Final = """\
# Which code runs, whose calls are taken, which ledgers get the results: docs/guide/bindings.md says what else can stand
# here. `cryptlet bind FILE` puts it in force.

name = "{name}"
cryptlet = "{title}"
measurement = "{measurement}"
methods = [{methods}]
callers = ["local"]

[[destinations]]
ledger = "native"

[[destinations]]
ledger = "ethereum"
"""


def check_free(path: Path, bundle: Bundle) -> None:
    """Refuses a file that is there already, before anything is published; raises ``Refused``."""
    if path.exists():
        raise _taken(path, bundle)


def write_draft(path: Path, bundle: Bundle) -> None:
    """Writes a draft that names the bundle, all its methods, the operator as caller, and the ledgers of a plain `up`.

    Raises:
        Refused: the file is there already, and may say something else.
        StoreError: it cannot be written.
    """
    manifest = bundle.manifest
    text = _DRAFT.format(
        name=manifest.project.cryptlet.name,
        title=manifest.title,
        measurement=bundle.measurement.hex(),
        methods=", ".join(f'"{name}"' for name in sorted(manifest.methods)),
    )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise _taken(path, bundle) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _taken(path: Path, bundle: Bundle) -> Refused:
    return Refused(
        f"{path}: is there already and stays as it is; name another file with --binding, or write the measurement "
        f"{bundle.measurement.hex()} into it"
    )
