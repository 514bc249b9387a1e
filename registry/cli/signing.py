"""What is looked at before a second key signs: the wheel itself, measured here."""

from pathlib import Path

from fabric.core.errors import NotFound, Refused
from registry.book.bodies import MAX_WHEEL_BYTES, Release
from registry.book.entry import Entry
from registry.client.api import Api
from registry.house.registry import check_wheel


def check_before_signing(api: Api, entry: Entry, own: Path | None) -> dict[str, object]:
    """Returns what the signer is to see of an entry.

    Raises:
        Malformed: the wheel that waits is no bundle.
        Refused: it is not the one that the release names, or not the signer's own build.
    """
    body = entry.body
    if not isinstance(body, Release):
        return {"namespace": entry.namespace}
    data = api.waiting_wheel(entry.digest.hex())
    check_wheel(body, body.publication.wheel, data)
    if own is not None and read_wheel(own) != data:
        raise Refused(f"{own} is another file than the one that waits: nothing was signed; ask who staged it")
    title = f"{entry.namespace}/{body.publication.name}@{body.publication.version}"
    return {"release": title, "measurement": body.publication.measurement.hex(), "staged by": _who(body)}


def read_wheel(path: Path) -> bytes:
    """Returns a wheel file; raises ``NotFound`` and ``Refused``."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_WHEEL_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror or error}; `cryptlet build FOLDER` makes a wheel") from error
    if len(data) > MAX_WHEEL_BYTES:
        raise Refused(f"{path}: more than {MAX_WHEEL_BYTES} bytes, which no registry takes")
    return data


def _who(body: Release) -> str:
    return (
        ", ".join(f"{name}={value}" for name, value in body.provenance.items()) or body.publication.signature.key.hex()
    )
