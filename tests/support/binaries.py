"""Binary wheels of our own: C compiled with the machine's compiler, packed as other tools pack them."""

import hashlib
import io
import platform
import shutil
import subprocess
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.projects import TOML, write_project

SOURCES: Final = Path(__file__).parent / "sources"
TAG: Final = f"cp{sysconfig.get_config_var('py_version_nodot')}"
PLATFORM: Final = f"manylinux_2_17_{platform.machine()}"
COMPILER: Final = shutil.which("cc")
FILENAME: Final = f"adder-1.0-{TAG}-{TAG}-{PLATFORM}.whl"
SOURCE: Final = '''\
"""Adds by machine code."""

from adder import add
from pydantic import BaseModel

from fabric.sdk import Context, Cryptlet, method


class Pair(BaseModel):
    left: int
    right: int


class Sum(BaseModel):
    sum: int


class Greeter(Cryptlet):
    @method
    def add(self, ctx: Context, value: Pair) -> Sum:
        """Adds."""
        return Sum(sum=add(value.left, value.right))
'''

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C compiler (cc) to make the test's wheels with: install gcc"
)


def compiled(folder: Path, source: Path, options: Sequence[str] = ()) -> bytes:
    """Returns a shared library made of a C file."""
    target = folder / f"{source.stem}.so"
    include = sysconfig.get_path("include")
    command = [str(COMPILER), "-shared", "-fPIC", "-O1", "-Wl,-z,noexecstack", f"-I{include}", str(source)]
    subprocess.run([*command, *options, "-o", str(target)], check=True, timeout=60)
    return target.read_bytes()


def binary_wheel(files: Mapping[str, bytes], modes: Mapping[str, int] | None = None) -> bytes:
    """Returns a wheel of files, whose libraries are executable as auditwheel leaves them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in files.items():
            info = zipfile.ZipInfo(path, (2020, 2, 2, 2, 2, 2))
            info.external_attr = (modes or {}).get(path, 0o100755) << 16
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def adder(folder: Path) -> bytes:
    """Returns a wheel with an extension that needs a library which the wheel brings in a folder beside its package."""
    libs = folder / "adder.libs"
    libs.mkdir(parents=True, exist_ok=True)
    inner = compiled(libs, SOURCES / "sum.c", ["-Wl,-soname,sum.so"])
    outer = compiled(folder, SOURCES / "adder.c", [str(libs / "sum.so"), "-Wl,-rpath,$ORIGIN/../adder.libs"])
    package = b"from adder._adder import add as add\n"
    return binary_wheel({"adder/__init__.py": package, f"adder/_adder.{_suffix()}": outer, "adder.libs/sum.so": inner})


def locked_toml(wheel: bytes, name: str = "adder", filename: str = FILENAME, capabilities: str = '["native"]') -> str:
    """Returns a template of ``cryptlet.toml`` that locks a binary wheel of version 1.0 and asks for the capability."""
    return (
        f'capabilities = {capabilities}\n{TOML}\n[[dependencies]]\nname = "{name}"\nversion = "1.0"\n'
        f'sha256 = "{hashlib.sha256(wheel).hexdigest()}"\nfilename = "{filename}"\n'
    )


def write_binary(folder: Path, wheel: bytes) -> Path:
    """Writes a project that locks the adder; returns its folder."""
    write_project(folder, toml=locked_toml(wheel), source=SOURCE)
    (folder / "wheels").mkdir()
    (folder / "wheels" / FILENAME).write_bytes(wheel)
    return folder


def _suffix() -> str:
    return str(sysconfig.get_config_var("EXT_SUFFIX")).lstrip(".")
