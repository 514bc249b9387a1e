"""The address of the door: free, or held by our own fabric."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fabric.core.finding import Finding, fail, ok
from fabric.gateway.endpoint import Endpoint

_LISTENING: Final = "0A"
_OTHER: Final = "end it, or choose another gateway.listen in cryptlet-fabric.toml"


def door(listen: str, endpoint: Endpoint | None) -> list[Finding]:
    """Tries to listen where the door will.

    Args:
        listen: ``gateway.listen`` of the configuration.
        endpoint: the fabric that runs on the state folder, if one does.
    """
    host, _, text = listen.rpartition(":")
    if listen.startswith("unix:"):
        return [ok("port", f"the door is a Unix socket, {listen}")]
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 16):
        return [fail("port", f"gateway.listen is {listen!r}", 'write it as "HOST:PORT", such as "127.0.0.1:7070"')]
    try:
        _try(host.strip("[]"), int(text))
    except OSError as error:
        return [_unavailable(listen, int(text), error, endpoint)]
    return [ok("port", f"{listen} is free" if int(text) else "a free port will be taken")]


def _try(host: str, port: int) -> None:
    family, kind, number, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, number) as handle:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        handle.bind(address)
        handle.listen()


def _unavailable(listen: str, port: int, error: OSError, endpoint: Endpoint | None) -> Finding:
    if error.errno != errno.EADDRINUSE:
        fix = "choose an address of this machine and a port from 1024 on as gateway.listen"
        return fail("port", f"{listen}: {error.strerror or error}", fix)
    holder = holder_of(port)
    if endpoint and endpoint.target.endswith(f":{port}") and holder in {None, endpoint.pid}:
        return ok("port", f"{listen} is held by our own fabric, process {endpoint.pid}")
    who = "another process" if holder is None else f"process {holder} ({_name(holder)})"
    return fail("port", f"{listen} is held by {who}", _OTHER)


def holder_of(port: int) -> int | None:
    """Returns the process that listens on a TCP port; None where it is not to be seen (proc_pid_net(5))."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            if any(str(link.readlink()) in sockets for link in (folder / "fd").iterdir()):
                return int(folder.name)
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return None


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        path = Path("/proc/self/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "it has ended meanwhile"
