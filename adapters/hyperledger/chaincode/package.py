"""The package that peers install: where this chaincode is served, nothing else (type ``ccaas``)."""

import hashlib
import io
import re
import struct
import tarfile
import zlib
from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError

_LABEL: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]*")
_DIAL_TIMEOUT: Final = "10s"
_GZIP_HEADER: Final = bytes.fromhex("1f8b08000000000000ff")
"""Deflate, no name, no time, no system."""
_BLOCK: Final = 0xFFFF


@dataclass(frozen=True)
class PeerTls:
    """What a peer dials with over TLS, PEM: the server's root; its own key and certificate where it must show them."""

    root: str
    client_key: str = ""
    client_certificate: str = ""


def write_package(label: str, address: str, tls: PeerTls | None = None) -> bytes:
    """Returns the package's bytes, the same for the same arguments.

    Args:
        label: names the package for people.
        address: host and port at which a peer finds the chaincode.
        tls: how peers dial; None in clear text.

    Raises:
        ConfigError: a label that peers refuse, or no host and port.
    """
    if not _LABEL.fullmatch(label):
        message = f"package: {label!r}: a label begins with a letter or digit and has only those and . + - _"
        raise ConfigError(message)
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        message = f"package: {address!r}: expected HOST:PORT"
        raise ConfigError(message)
    code = _archive({"connection.json": canonical.encode(_connection(address, tls))})
    metadata: JsonObject = {"label": label, "path": "", "type": "ccaas"}
    return _archive({"metadata.json": canonical.encode(metadata), "code.tar.gz": code})


def package_id(label: str, package: bytes) -> str:
    """Returns the id that a peer gives an installed package."""
    return f"{label}:{hashlib.sha256(package).hexdigest()}"


def _connection(address: str, tls: PeerTls | None) -> JsonObject:
    connection: JsonObject = {"address": address, "dial_timeout": _DIAL_TIMEOUT, "tls_required": tls is not None}
    if tls is not None:
        connection |= {"root_cert": tls.root, "client_auth_required": bool(tls.client_key)}
        if tls.client_key:
            connection |= {"client_key": tls.client_key, "client_cert": tls.client_certificate}
    return connection


def _archive(files: dict[str, bytes]) -> bytes:
    """Returns a compressed archive without anything of the machine or the hour that made it."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return _gzip(plain.getvalue())


def _gzip(data: bytes) -> bytes:
    """Returns data in the gzip format (RFC 1952), in stored blocks: versions of a compressor differ in their bytes."""
    blocks = [data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK)]
    heads = (struct.pack("<BHH", each is blocks[-1], len(each), len(each) ^ _BLOCK) for each in blocks)
    stored = (head + each for head, each in zip(heads, blocks, strict=True))
    return _GZIP_HEADER + b"".join(stored) + struct.pack("<II", zlib.crc32(data), len(data))
