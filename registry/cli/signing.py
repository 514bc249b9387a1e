"""What people sign with keys of their own."""

from dataclasses import replace
from pathlib import Path

import coincurve

from fabric.core.errors import NotFound, Refused
from fabric.signers.personal import open_personal_key
from registry.book.accounts import AccountLink
from registry.book.bodies import MAX_WHEEL_BYTES
from registry.cli.common import open_own_key


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
