"""How the process serves: flags first, then the environment variables that deployments of chaincode services set."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from fabric.core.errors import ConfigError

_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no", ""})
_KEY: Final = ("CHAINCODE_TLS_KEY", "CHAINCODE_TLS_KEY_FILE")
_CERTIFICATE: Final = ("CHAINCODE_TLS_CERT", "CHAINCODE_TLS_CERT_FILE")
_CLIENT_ROOTS: Final = ("CHAINCODE_CLIENT_CA_CERT", "CHAINCODE_TLS_CLIENT_CACERT_FILE")
_DISABLED: Final = "CHAINCODE_TLS_DISABLED"


@dataclass(frozen=True)
class Tls:
    """TLS of the server, PEM.

    Attributes:
        key: the server's private key.
        certificate: its certificate, and those that lead to its root.
        client_roots: roots of peers' certificates; with them no other peer is let in, None asks for none.
    """

    key: bytes
    certificate: bytes
    client_roots: bytes | None

    @override
    def __repr__(self) -> str:
        """Names no key."""
        return f"Tls(client_roots={self.client_roots is not None})"


@dataclass(frozen=True)
class Settings:
    """What the server needs to know.

    Attributes:
        address: host and port to listen on; port 0 takes a free one.
        package: the package id, ``label:hash``.
        tls: None serves in clear text.
    """

    address: str
    package: str
    tls: Tls | None


def read_settings(listen: str | None, package: str | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings.

    Args:
        listen: of the flag, before ``CHAINCODE_SERVER_ADDRESS``.
        package: of the flag, before ``CHAINCODE_ID``.
        environ: the environment.

    Raises:
        ConfigError: something is missing, or cannot be read.
    """
    address = listen or environ.get("CHAINCODE_SERVER_ADDRESS", "")
    name = package or environ.get("CHAINCODE_ID") or environ.get("CORE_CHAINCODE_ID_NAME", "")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        message = "chaincode: where to listen: give --listen HOST:PORT or CHAINCODE_SERVER_ADDRESS"
        raise ConfigError(message)
    if ":" not in name:
        message = "chaincode: which package: give --package LABEL:HASH or CHAINCODE_ID"
        raise ConfigError(message)
    return Settings(address, name, _tls(environ))


def _tls(environ: Mapping[str, str]) -> Tls | None:
    """Reads the TLS settings: on where a key is named and it is not disabled; never silently off."""
    key, certificate, roots = (_first(environ, names) for names in (_KEY, _CERTIFICATE, _CLIENT_ROOTS))
    if _is_disabled(environ):
        return None
    if not (key or certificate or roots or _DISABLED in environ):
        return None
    if not (key and certificate):
        message = f"chaincode: TLS needs {_KEY[0]} and {_CERTIFICATE[0]}"
        raise ConfigError(message)
    return Tls(_read(key), _read(certificate), _read(roots) if roots else None)


def _is_disabled(environ: Mapping[str, str]) -> bool:
    value = environ.get(_DISABLED, "").lower()
    if value not in _TRUE | _FALSE:
        message = f"chaincode: {_DISABLED}: expected true or false, got {value!r}"
        raise ConfigError(message)
    return value in _TRUE


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"chaincode: {path}: {error.strerror}"
        raise ConfigError(message) from error
