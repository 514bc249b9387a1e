"""What is looked at before a second key signs: the wheel itself, measured here."""

from dataclasses import replace
from pathlib import Path

import coincurve

from fabric.bundles.bundle import read_bundle
from fabric.core.canonical import JsonObject
from fabric.core.errors import NotFound, Refused, VerificationError
from fabric.signers.personal import open_personal_key
from registry.book.accounts import AccountLink
from registry.book.bodies import MAX_WHEEL_BYTES, Release
from registry.book.entry import Entry
from registry.cli.common import open_own_key, told
from registry.client.api import Api
from registry.house.wheels import check_wheel
from registry.publish import Publisher, sign_publication


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


def sign_staged(
    api: Api, digest: str, staged: tuple[str, JsonObject], how: tuple[Path, Path | None], *, as_json: bool
) -> None:
    """Measures what a token brought, signs it as a release, and brings that.

    Args:
        api: of the registry.
        digest: names what waits.
        staged: its namespace, and what was said of it.
        how: the owner's key file, and the owner's own build, which must be the same file.
        as_json: whether one JSON object is printed.
    """
    namespace, body = staged
    key, own = how
    data = api.waiting_wheel(digest)
    bundle = read_bundle(data)
    if bundle.wheel_digest.hex() != body.get("wheel"):
        raise VerificationError("registry", "the wheel that waits is not the one that the token brought")
    if own is not None and read_wheel(own) != data:
        raise Refused(f"{own} is another file than the one that waits: nothing was signed; ask who staged it")
    said = body.get("provenance")
    provenance = {str(name): str(value) for name, value in said.items()} if isinstance(said, dict) else {}
    signer = open_own_key(key)
    release = Release(sign_publication(bundle, Publisher(signer.private)), len(data), provenance=provenance)
    outcome = api.enter(namespace, release, [signer], data)
    ref = f"{namespace}/{bundle.manifest.title}"
    shown = {"ref": ref, "measurement": bundle.measurement.hex(), "staged by": _who(release)}
    told(outcome, as_json=as_json, done="published", **shown)


def sign_account(account: str, key: bytes, account_key: Path, place: tuple[str, str]) -> AccountLink:
    """Returns a link that an account signs for a publisher's key.

    Args:
        account: CAIP-10.
        key: the publisher's.
        account_key: the account's key file.
        place: origin of the registry, and the namespace.

    Raises:
        ConfigError: the key file cannot be used.
        Refused: it is another account's key.
    """
    link = AccountLink(account, key)
    message = link.message(*place)
    if account.startswith("eip155:"):
        secret = coincurve.PrivateKey(open_personal_key(account_key, "account", may_make=False).key.private_bytes_raw())
        compact = secret.sign_recoverable(message, hasher=None)
        signed = replace(link, signature=compact[:64] + bytes([compact[64] + 27]))
    else:
        signed = replace(link, signature=open_own_key(account_key).sign(message))
    if not signed.is_signed(*place):
        raise Refused(
            f"{account_key} is not the key of {account}, or {account[:80]!r} is no account of a kind known here"
        )
    return signed


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
