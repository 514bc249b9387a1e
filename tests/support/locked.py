"""A project that stands on somebody else's wheel, and that wheel as its author might have packed it."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.projects import TOML, write_project

SPELLER: Final = {"speller/__init__.py": b'"""Spells."""\n\n\ndef upper(text: str) -> str:\n    return text.upper()\n'}
SOURCE: Final = '''\
"""Greets loudly."""

from pydantic import BaseModel
from speller import upper

from fabric.sdk import Context, Cryptlet, method


class Name(BaseModel):
    name: str


class Greeter(Cryptlet):
    @method
    def greet(self, ctx: Context, value: Name) -> Name:
        """Greets."""
        return Name(name=upper(value.name))
'''


def foreign_wheel(files: Mapping[str, bytes] = SPELLER, name: str = "speller", version: str = "2.1") -> bytes:
    """Returns a wheel that is not canonical: packed, dated, in any order, as other tools write it."""
    buffer = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Root-Is-Purelib: true\n",
    }
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in {**files, **metadata}.items():
            file.writestr(zipfile.ZipInfo(path, (2020, 2, 2, 2, 2, 2)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def locked_toml(wheel: bytes, toml: str = TOML) -> str:
    """Returns a ``cryptlet.toml`` that locks a wheel of ``speller`` 2.1."""
    return (
        f'{toml}\n[[dependencies]]\nname = "speller"\nversion = "2.1"\nsha256 = "{hashlib.sha256(wheel).hexdigest()}"\n'
        'filename = "speller-2.1-py3-none-any.whl"\n'
    )


def write_locked(folder: Path, wheel: bytes | None = None) -> Path:
    """Writes a project that locks a wheel, and the wheel; returns its folder."""
    content = foreign_wheel() if wheel is None else wheel
    write_project(folder, toml=locked_toml(content), source=SOURCE)
    (folder / "wheels").mkdir()
    (folder / "wheels/speller-2.1-py3-none-any.whl").write_bytes(content)
    return folder
