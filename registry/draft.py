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
"""
_CALLED: Final = """\
callers = ["local"]

[[destinations]]
ledger = "native"

[[destinations]]
ledger = "ethereum"
"""
_RELAY: Final = """\
callers = ["relay"]             # the fabric itself, for messages of the channels that name this binding

[[destinations]]                # of the end of a channel that is on this ledger; its other end has a binding of its own
ledger = "native"
recipient = "mailbox"
consume = true
codec = {{ kind = "message" }}

[[sources]]                     # the ledger of the other end
ledger = "ethereum"
accept_asserted = true          # a plain development chain proves nothing; left out: proven events alone
"""
_RELAY_METHODS: Final = frozenset({"acknowledge", "deliver"})
"""Those of a bundle that can carry messages (``fabric.sdk.messages``)."""


def check_free(path: Path, bundle: Bundle) -> None:
    """Refuses a file that is there already, before anything is published; raises ``Refused``."""
    if path.exists():
        raise _taken(path, bundle)


def write_draft(path: Path, bundle: Bundle) -> None:
    """Writes a draft that names the bundle, all its methods, and the ledgers of a plain `up`.

    Its caller is the operator; of a relay the fabric itself, and its destination a mailbox.

    Raises:
        Refused: the file is there already, and may say something else.
        StoreError: it cannot be written.
    """
    manifest = bundle.manifest
    is_relay = manifest.methods.keys() == _RELAY_METHODS
    text = (_DRAFT + (_RELAY if is_relay else _CALLED)).format(
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
