"""Layout: every file of a bundle's wheel, derived from the manifest, the methods and the modules (PEP 427, PEP 376).

Nothing in a wheel is free: METADATA, WHEEL and RECORD follow from the rest, so that one set of sources has one wheel.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fabric.bundles.lock import LOCK_NAME, lock_of
from fabric.bundles.manifest import METHODS_NAME, README_NAME, TOML_NAME, Project

WHEEL: Final = b"""\
Wheel-Version: 1.0
Generator: cryptlet-fabric (bundle v1)
Root-Is-Purelib: true
Tag: py3-none-any
"""


@dataclass(frozen=True)
class Parts:
    """What a wheel is made of; all else in it follows.

    Attributes:
        toml: the bytes of ``cryptlet.toml``.
        methods: canonical JSON of the methods.
        modules: the sources by their path in the wheel.
        readme: the README, exactly where the manifest names one.
    """

    toml: bytes
    methods: bytes
    modules: Mapping[str, bytes]
    readme: bytes | None = None


def stem(project: Project) -> str:
    """Returns ``name-version`` in a wheel's spelling."""
    return f"{project.cryptlet.name.replace('-', '_')}-{project.cryptlet.version}"


def filename(project: Project) -> str:
    """Returns the wheel's file name."""
    return f"{stem(project)}-py3-none-any.whl"


def metadata_folder(project: Project) -> str:
    """Returns the name of the wheel's metadata folder."""
    return f"{stem(project)}.dist-info"


def lay_out(project: Project, parts: Parts) -> dict[str, bytes]:
    """Returns every file of the wheel by its path.

    Args:
        project: the parsed ``cryptlet.toml``.
        parts: what the wheel is made of.
    """
    folder = metadata_folder(project)
    readme = {} if parts.readme is None else {f"{folder}/{README_NAME}": parts.readme}
    locked = project.dependencies
    lock = {f"{folder}/{LOCK_NAME}": lock_of(locked)} if locked else {}
    entries = {
        **parts.modules,
        **readme,
        **lock,
        f"{folder}/METADATA": _metadata(project),
        f"{folder}/WHEEL": WHEEL,
        f"{folder}/{TOML_NAME}": parts.toml,
        f"{folder}/{METHODS_NAME}": parts.methods,
    }
    return {**entries, f"{folder}/RECORD": _record(entries, f"{folder}/RECORD")}


def module_paths(project: Project) -> tuple[str, ...]:
    """Returns the paths of the project's modules in the wheel, in the manifest's order."""
    return tuple(f"{project.source.package}/{name}" for name in project.source.modules)


def _metadata(project: Project) -> bytes:
    """Returns core metadata; 2.4 brought the licence expression (PEP 639), and what is older stays as it was."""
    one = project.cryptlet
    optional = (
        ("License-Expression: ", one.licence),
        ("Project-URL: Homepage, ", one.homepage),
        ("Project-URL: Repository, ", one.repository),
    )
    lines = (
        f"Metadata-Version: {'2.1' if one.licence is None else '2.4'}",
        f"Name: {one.name}",
        f"Version: {one.version}",
        f"Summary: {one.description}",
        *(label + value for label, value in optional if value is not None),
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _record(entries: Mapping[str, bytes], own_path: str) -> bytes:
    """Returns the list of all files with digest and size; it cannot hold its own digest, so that row is empty."""
    rows = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in entries.items()]
    return "".join(sorted([*rows, f"{own_path},,\n"])).encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
