"""The root folder of all containers: an empty read-only file system with Python's own source files, and nothing else.

It is built once, in the zygote's mount namespace, out of bind mounts at their own paths, because the modules that are
loaded already remember these paths. No ``/etc``, ``/proc``, ``/sys``, ``/dev``, ``/tmp``, no home, no library.
"""

import contextlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import fabric
from fabric.enclave.sandbox import kernel

APP: Final = "/app"
"""Where a container mounts its bundle."""
NATIVE: Final = "/app/native"
"""Where it unpacks binary wheels; the only mount of a container whose files may be mapped as code."""
_FABRIC_PARTS: Final = ("__init__.py", "core", "sdk")
_LOCKED: Final = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_SIZE: Final = "size=1m,nr_inodes=4096,mode=755"
_NATIVE_SIZE: Final = "size=64m,nr_inodes=16384,mode=755"


def sources() -> list[Path]:
    """Returns what a container can import from: standard library, the SDK, and the packages that the SDK has loaded."""
    own = Path(fabric.__file__).parent
    found = {Path(sysconfig.get_path("stdlib")), *(own / part for part in _FABRIC_PARTS)}
    for file in _loaded_files():
        folder = _import_folder(file)
        if folder is not None and not file.is_relative_to(own):
            found.add(folder / file.relative_to(folder).parts[0])
    return sorted(path for path in found if not any(above in found for above in path.parents))


def import_path() -> list[str]:
    """Returns the folders that hold ``sources``, as they belong into a container's ``sys.path``."""
    used = {_import_folder(file) for file in _loaded_files()}
    standard = sysconfig.get_path("stdlib")
    return [standard, *(path for path in sys.path if path != standard and Path(path) in used)]


def enter(folder: Path, paths: Iterable[Path]) -> None:
    """Builds the root on a folder, and makes it the root of this process.

    The process must have a mount namespace of its own and the right to mount.

    Raises:
        OSError: the kernel refused a mount; the text names which.
    """
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    root = str(folder)
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, _SIZE)
    Path(root + APP).mkdir(mode=0o755)
    for path in paths:
        _bind(path, Path(root + str(path)))
    kernel.mount(None, root, None, kernel.MS_REMOUNT | kernel.MS_BIND | _LOCKED)
    os.chdir(root)
    kernel.pivot_here()


def mount_bundle(bundle: int, sizes: Sequence[int]) -> list[str]:
    """Mounts copies of the wheels in an open file, read-only, as the container's bundle; returns their paths.

    A copy cannot change under a running container, and needs no path of the host.

    Args:
        bundle: descriptor of the file, in which the wheels lie one behind another.
        sizes: their lengths in bytes; the first is the bundle's own.
    """
    options = f"size={sum(sizes) + 65536 * (len(sizes) + 1)},nr_inodes={len(sizes) + 2},mode=755"
    kernel.mount("tmpfs", APP, "tmpfs", _LOCKED & ~kernel.MS_RDONLY, options)
    Path(NATIVE).mkdir(mode=0o755)
    paths = [f"{APP}/{f'dependency-{number}' if number else 'bundle'}.whl" for number in range(len(sizes))]
    begin = 0
    for path, size in zip(paths, sizes, strict=True):
        _copy(bundle, begin, begin + size, path)
        begin += size
    kernel.mount(None, APP, None, kernel.MS_REMOUNT | kernel.MS_BIND | _LOCKED)
    return paths


@contextlib.contextmanager
def native_folder() -> Iterator[None]:
    """Mounts an empty ``NATIVE`` on the bundle's mount; it can be written to until the context ends, then never again.

    No program in it could be started, its libraries can be loaded: neither ``nosuid`` nor Landlock nor the filter
    lets anything be executed, and ``noexec`` alone would keep a file from being mapped as code.
    """
    open_to = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", NATIVE, "tmpfs", open_to, _NATIVE_SIZE)
    yield
    kernel.mount(None, NATIVE, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | open_to)


def _copy(source: int, begin: int, end: int, path: str) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    while begin < end:
        copied = os.sendfile(target, source, begin, end - begin)
        if not copied:
            break
        begin += copied
    os.close(target)


def _bind(source: Path, target: Path) -> None:
    """Binds a file or folder, read-only, without what is mounted below it."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(mode=0o755)
    else:
        target.touch(mode=0o444)
    kernel.mount(str(source), str(target), None, kernel.MS_BIND)
    kernel.mount(None, str(target), None, kernel.MS_REMOUNT | kernel.MS_BIND | _LOCKED)


def _loaded_files() -> list[Path]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return [Path(file) for file in files if file is not None]


def _import_folder(file: Path) -> Path | None:
    """Returns the folder of ``sys.path`` that a module came from, the innermost where they nest."""
    folders = [Path(path) for path in sys.path if path and file.is_relative_to(path)]
    return max(folders, key=lambda folder: len(folder.parts), default=None)
