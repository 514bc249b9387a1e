"""A bundle is read from any bytes, without running any code; what differs from its one wheel is refused by name."""

import json
import subprocess
import sys
import zipimport
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles import archive
from fabric.bundles.bundle import NO_DEPENDENCIES, pack, read_bundle
from fabric.bundles.layout import Parts
from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import sha256, tag
from fabric.trust.publication import parse_publication
from tests.support.projects import ROOT
from tests.vectors.gen_bundle import METHODS, MODULES, PARTS, README, TOML, refused_wheels

WHEEL = pack(PARTS)


@cache
def vectors() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((ROOT / "tests/vectors/bundle.json").read_text())
    return value


def test_a_bundle_is_measured() -> None:
    bundle = read_bundle(WHEEL)
    assert bundle.wheel_digest == sha256(WHEEL)
    assert bundle.lock_digest == sha256(b"[]") == NO_DEPENDENCIES
    assert bytes(bundle.measurement) == sha256(tag("cryptlet-fabric/measurement/v1"), sha256(WHEEL), sha256(b"[]"))
    assert bundle.manifest.title == "hello-world@1.2.0rc1"
    assert bundle.modules == MODULES
    assert (bundle.toml, bundle.readme) == (TOML.encode(), README)
    assert bundle.manifest.methods == canonical.decode(METHODS)


def test_the_vectors_of_wheels() -> None:
    one = vectors()["bundle"]
    modules = {name: text.encode() for name, text in one["modules"].items()}
    wheel = pack(Parts(one["toml"].encode(), one["methods"].encode(), modules, one["readme"].encode()))
    assert wheel.hex() == one["wheel"]
    bundle = read_bundle(wheel)
    assert bundle.measurement.hex() == one["measurement"]
    assert (bundle.wheel_digest.hex(), bundle.lock_digest.hex()) == (one["wheel_digest"], one["lock_digest"])


def test_the_vectors_of_locked_dependencies() -> None:
    one = vectors()["locked"]
    bundle = read_bundle(pack(replace(PARTS, toml=one["toml"].encode())))
    assert sha256(one["lock"].encode()).hex() == bundle.lock_digest.hex() == one["lock_digest"]
    assert (bundle.wheel_digest.hex(), bundle.measurement.hex()) == (one["wheel_digest"], one["measurement"])


def test_the_vectors_of_archives() -> None:
    for one in vectors()["archives"]:
        entries = {name: bytes.fromhex(content) for name, content in one["entries"].items()}
        assert archive.write(entries).hex() == one["archive"]
        assert archive.read(bytes.fromhex(one["archive"])) == entries


def test_the_vectors_to_refuse() -> None:
    for one in vectors()["refused_archives"] + vectors()["refused_wheels"]:
        with pytest.raises(Malformed) as refusal:
            read_bundle(bytes.fromhex(one["bytes"]))
        assert one["reason"] in str(refusal.value), one["case"]


def test_the_vectors_of_publications() -> None:
    one = vectors()["publication"]
    publication = parse_publication(canonical.decode(one["document"].encode()))
    assert publication.is_signed()
    assert canonical.encode(publication.fields).decode() == one["signed"]
    assert publication.measurement.hex() == vectors()["bundle"]["measurement"]


@pytest.mark.parametrize("case", refused_wheels())
def test_a_wheel_that_is_no_bundle_is_refused_by_name(case: str) -> None:
    data, reason = refused_wheels()[case]
    with pytest.raises(Malformed) as refusal:
        read_bundle(data)
    assert reason in str(refusal.value)


@given(st.integers(0, len(WHEEL) - 1), st.integers(1, 255))
def test_no_byte_of_a_wheel_is_free(at: int, change: int) -> None:
    changed = bytearray(WHEEL)
    changed[at] ^= change
    with pytest.raises(Malformed):
        read_bundle(bytes(changed))


@given(st.dictionaries(st.sampled_from([*MODULES, "x.py", "y.dist-info/cryptlet.toml"]), st.binary(max_size=20)))
def test_any_files_give_a_bundle_or_malformed(extra: dict[str, bytes]) -> None:
    entries = archive.read(WHEEL) | extra
    try:
        assert read_bundle(archive.write(entries)).modules == MODULES
    except Malformed:
        assert any(MODULES.get(name) != content for name, content in extra.items())


def test_pip_installs_it(tmp_path: Path) -> None:
    wheel = tmp_path / "hello_world-1.2.0rc1-py3-none-any.whl"
    wheel.write_bytes(WHEEL)
    target = tmp_path / "target"
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(wheel)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert {name: (target / name).read_bytes() for name in MODULES} == MODULES
    question = "import importlib.metadata as m; print(m.version('hello-world'), m.metadata('hello-world')['Summary'])"
    answer = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", question], cwd=target, capture_output=True, check=True, encoding="utf8"
    )
    assert answer.stdout.strip() == "1.2.0rc1 Greets whom it is told to, in UTF-8: ä."


def test_python_imports_from_it_without_zlib(tmp_path: Path) -> None:
    wheel = tmp_path / "hello.whl"
    wheel.write_bytes(WHEEL)
    assert (
        zipimport.zipimporter(str(wheel)).get_data(f"{wheel}/hello_world/service.py")
        == MODULES["hello_world/service.py"]
    )
