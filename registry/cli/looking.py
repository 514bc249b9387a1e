"""What a second owner is shown before their key signs: the wheel measured here, and every word of the entry."""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from fabric.bundles.bundle import read_bundle
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Refused, VerificationError
from registry.book.bodies import Release
from registry.book.entry import Entry
from registry.cli.common import show
from registry.cli.files import read_wheel
from registry.client.api import Api, Told
from registry.home import check_home
from registry.house.wheels import check_wheel
from registry.publish import Publisher, sign_publication
from registry.tuf.keys import Key

_PLAIN: Final = re.compile(r"[a-zA-Z0-9_.:/@+-]+")


@dataclass(frozen=True)
class Look:
    """What waits, looked at.

    Attributes:
        shown: what the signer must see, by name.
        done: what has happened once it is brought.
        bring: signs it with the key and brings it.
    """

    shown: Mapping[str, object]
    done: str
    bring: Callable[[], Told]


def look_at_entry(api: Api, entry: Entry, key: Key, own: Path | None) -> Look:
    """Returns an entry that waits for another signature.

    Args:
        api: of the registry.
        entry: what waits.
        key: the signer's.
        own: the signer's own build of a release, which must be the same file.

    Raises:
        Malformed: the wheel that waits is no bundle, or a signature does not hold.
        Refused: it is not the one that the release names, or not the signer's own build.
    """
    body = entry.body
    signed = ", ".join(signer.hex() for signer in sorted(entry.signers()))
    shown: dict[str, object] = {"registry": entry.registry, "namespace": entry.namespace, "kind": entry.kind}
    if isinstance(body, Release):
        data = api.waiting_wheel(entry.digest.hex(), key)
        check_wheel(entry, body.publication.wheel, data)
        _compare(own, data)
        title = f"{entry.namespace}/{body.publication.name}@{body.publication.version}"
        shown |= {"release": title, "measurement": body.publication.measurement.hex(), "staged by": _who(body)}
    else:
        shown |= {name: _text(value) for name, value in body.to_json().items()}
    shown["signed by"] = signed or "nobody yet"
    return Look(shown, "signed", lambda: api.submit(entry.signed_by(key.public, key.sign)))


def look_at_staged(api: Api, digest: str, staged: tuple[str, JsonObject], key: Key, own: Path | None) -> Look:
    """Returns what a token brought, as the release that it becomes.

    Args:
        api: of the registry.
        digest: names what waits.
        staged: its namespace, and what was said of it.
        key: the signer's.
        own: the signer's own build, which must be the same file.

    Raises:
        Malformed: the wheel that waits is no bundle.
        Refused: it is not the signer's own build.
        VerificationError: it is not the one that the token brought.
    """
    namespace, body = staged
    data = api.waiting_wheel(digest, key)
    bundle = read_bundle(data)
    if bundle.wheel_digest.hex() != body.get("wheel"):
        raise VerificationError("registry", "the wheel that waits is not the one that the token brought")
    check_home(bundle, namespace)
    _compare(own, data)
    said = body.get("provenance")
    provenance = {str(name): str(value) for name, value in said.items()} if isinstance(said, dict) else {}

    def bring() -> Told:
        release = Release(sign_publication(bundle, Publisher(key.private)), len(data), provenance=provenance)
        return api.enter(namespace, release, [key], data)

    ref = f"{namespace}/{bundle.manifest.title}"
    shown = {"ref": ref, "measurement": bundle.measurement.hex(), "staged by": _claims(provenance)}
    return Look(shown, "published", bring)


def agree(shown: Mapping[str, object], *, is_agreed: bool) -> None:
    """Shows what would be signed, on stderr, and asks; raises ``Refused`` where nobody agrees."""
    show(shown, as_json=False, err=True)
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise Refused("nothing was signed: nobody is here to be asked; look at the above, then say --yes")
    if not typer.confirm("sign this?", err=True):
        raise Refused("nothing was signed; it waits for a week at most")


def _compare(own: Path | None, data: bytes) -> None:
    if own is not None and read_wheel(own) != data:
        raise Refused(f"{own} is another file than the one that waits: nothing was signed; ask who staged it")


def _who(body: Release) -> str:
    return _claims(body.provenance) or body.publication.signature.key.hex()


def _claims(provenance: Mapping[str, str]) -> str:
    return ", ".join(f"{_word(name)}={_word(value)}" for name, value in provenance.items())


def _word(text: str) -> str:
    """Returns a text that ends where it seems to: a claim may hold a comma, and what looks like another claim."""
    return text if _PLAIN.fullmatch(text) else canonical.encode(text).decode()


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical.encode(value).decode()
