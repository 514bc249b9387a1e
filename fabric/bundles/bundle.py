"""Bundle: a wheel that was read, checked and measured. Any bytes give a bundle or ``Malformed``; no code is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from fabric.bundles import archive, layout
from fabric.bundles.layout import Parts
from fabric.bundles.lock import lock_of
from fabric.bundles.manifest import (
    METHODS_NAME,
    README_NAME,
    TOML_NAME,
    Manifest,
    parse_methods,
    parse_project,
    parse_readme,
)
from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import Digest, Measurement, sha256
from fabric.trust.publication import measure

NO_DEPENDENCIES: Final = sha256(canonical.encode([]))
"""Lock digest of a bundle that stands on nothing but the SDK."""


@dataclass(frozen=True)
class Bundle:
    """A measured bundle.

    Attributes:
        manifest: what it says about itself.
        wheel_digest: SHA-256 of the wheel file.
        lock_digest: SHA-256 of the canonical JSON list of locked dependencies.
        measurement: its identity, over both digests.
        toml: ``cryptlet.toml`` as the author wrote it.
        modules: the sources by their path in the wheel.
        readme: Markdown for people, as hostile as its author may be; None where there is none.
    """

    manifest: Manifest
    wheel_digest: Digest
    lock_digest: Digest
    measurement: Measurement
    toml: bytes = field(repr=False)
    modules: Mapping[str, bytes] = field(repr=False)
    readme: str | None = field(default=None, repr=False)


def read_bundle(wheel: bytes) -> Bundle:
    """Reads a wheel file.

    Raises:
        Malformed: anything but the one canonical wheel of its sources; names the file in it that is wrong.
    """
    entries = archive.read(wheel)
    folder = _metadata_folder(entries)
    project = parse_project(entries[f"{folder}/{TOML_NAME}"])
    if folder != layout.metadata_folder(project):
        raise Malformed(folder, f"cryptlet.toml names the bundle {layout.metadata_folder(project)}")
    parts = Parts(
        toml=entries[f"{folder}/{TOML_NAME}"],
        methods=_entry(entries, f"{folder}/{METHODS_NAME}"),
        modules=MappingProxyType({path: _entry(entries, path) for path in layout.module_paths(project)}),
        readme=None if project.cryptlet.readme is None else _entry(entries, f"{folder}/{README_NAME}"),
    )
    manifest = Manifest(project, parse_methods(parts.methods))
    readme = None if parts.readme is None else parse_readme(parts.readme)
    _compare(entries, layout.lay_out(project, parts))
    digest, lock = sha256(wheel), sha256(lock_of(project.dependencies))
    return Bundle(
        manifest=manifest,
        wheel_digest=digest,
        lock_digest=lock,
        measurement=measure(digest, lock),
        toml=parts.toml,
        modules=parts.modules,
        readme=readme,
    )


def pack(parts: Parts) -> bytes:
    """Returns the wheel file that is made of the parts.

    Raises:
        Malformed: the parts are no project, or beyond a limit.
    """
    return archive.write(layout.lay_out(parse_project(parts.toml), parts))


def _metadata_folder(entries: Mapping[str, bytes]) -> str:
    found = [name for name in entries if name.endswith(f".dist-info/{TOML_NAME}") and name.count("/") == 1]
    if len(found) != 1:
        raise Malformed("bundle", f"expected one '*.dist-info/{TOML_NAME}', found {len(found)}")
    return found[0].partition("/")[0]


def _entry(entries: Mapping[str, bytes], name: str) -> bytes:
    if name not in entries:
        raise Malformed(name, "not in the wheel")
    return entries[name]


def _compare(entries: Mapping[str, bytes], expected: Mapping[str, bytes]) -> None:
    """Holds the wheel against the one that its own parts give; RECORD with its digests is one of the files."""
    for name in sorted(entries.keys() | expected.keys()):
        if name not in expected:
            raise Malformed(name, "neither listed in cryptlet.toml nor part of a wheel's metadata")
        if _entry(entries, name) != expected[name]:
            raise Malformed(name, "another content than the rest of the wheel gives")
