"""Unpacking a binary wheel into a container: a locked child reads the archive, this process writes what it says.

No bytes of others are parsed by a process that may still mount: the child has the whole lock of a container before it
looks at the archive. It is believed in nothing: every name is judged here, and the folder's mount has an end.
"""

import io
import os
import posixpath
import re
import socket
import struct
import zipfile
from typing import Final, NoReturn

from fabric.core.elf import MAGIC, read_library
from fabric.core.errors import AuthorError, Malformed
from fabric.enclave.sandbox import lockdown, syscalls

_ENTRY: Final = struct.Struct(">HI")
_PART: Final = re.compile(r"[A-Za-z0-9_@+][A-Za-z0-9_.@+~-]*")
_CHUNK: Final = 1 << 20
_END: Final = 0
_REFUSED: Final = 0xFFFF


def unpack(wheel: str, target: str, lock: lockdown.Lock, memory: int) -> None:
    """Writes the files of a wheel into a new folder, each mode 0444.

    Args:
        wheel: path of the file.
        target: the folder.
        lock: what the child locks itself with.
        memory: its address space in bytes.

    Raises:
        AuthorError: the archive cannot be read, or holds a name or a library that is not taken.
        OSError: the kernel refused, as when there is more of it than the mount takes.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _become_reader(wheel, lock, theirs.fileno(), memory)
    theirs.close()
    os.mkdir(target, 0o755)  # noqa: PTH102 - as everywhere in the sandbox
    with ours, ours.makefile("rb") as stream:
        try:
            _write_files(stream, target)
        except Malformed as error:
            raise AuthorError(f"a locked wheel: {error}") from error
        finally:
            ours.shutdown(socket.SHUT_RDWR)  # a child that is not heard to its end must not wait for ever
            os.waitpid(child, 0)


def parts_of(name: str) -> list[str]:
    """Returns the parts of a file's name in a wheel; raises ``Malformed`` unless each is plain."""
    parts = name.split("/")
    if not all(_PART.fullmatch(part) for part in parts):
        raise Malformed(f"{name[:100]!a}", "no plain name for a file of a binary wheel")
    return parts


def _become_reader(wheel: str, lock: lockdown.Lock, line: int, memory: int) -> NoReturn:
    """Locks this process, and only then reads; never returns."""
    try:
        with open(wheel, "rb") as file:  # noqa: PTH123 - no bytes of it are looked at yet
            data = file.read()
        lockdown.apply(lock, line, memory)
        _send_all(data)
    finally:
        os._exit(0)  # whoever listens hears that the end is missing


def _send_all(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    _send(member.filename, archive.read(member))
        _put(_ENTRY.pack(_END, 0))
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent must hear of it
        text = str(error).encode(errors="replace")[:_CHUNK]
        _put(_ENTRY.pack(_REFUSED, len(text)) + text)


def _send(name: str, content: bytes) -> None:
    if content.startswith(MAGIC):
        read_library(content, name, syscalls.machine().name)
    spelled = name.encode()
    _put(_ENTRY.pack(len(spelled), len(content)) + spelled)
    _put(content)


def _put(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(lockdown.CHANNEL, rest) :]


def _write_files(stream: io.BufferedReader, target: str) -> None:
    while True:
        name_bytes, size = _ENTRY.unpack(_taken(stream, _ENTRY.size))
        if name_bytes == _END:
            return
        if name_bytes == _REFUSED:
            raise Malformed("binary wheel", _taken(stream, min(size, _CHUNK)).decode(errors="replace"))
        parts = parts_of(_taken(stream, name_bytes).decode(errors="replace"))
        path = posixpath.join(target, *parts)
        os.makedirs(posixpath.dirname(path), 0o755, exist_ok=True)  # noqa: PTH103 - as above
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        with os.fdopen(descriptor, "wb") as file:
            while size:
                size -= file.write(_taken(stream, min(size, _CHUNK)))


def _taken(stream: io.BufferedReader, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise Malformed("binary wheel", "the process that reads it ended before its end")
    return data
