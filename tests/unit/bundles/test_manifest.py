"""The manifest: unknown keys are named with the nearest known one; any bytes give a manifest or Malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles.layout import Parts, lay_out
from fabric.bundles.manifest import MAX_TOML_BYTES, Project, parse_methods, parse_project
from fabric.bundles.tables import check_licence
from fabric.core import canonical
from fabric.core.errors import Malformed
from tests.vectors.gen_bundle import METHODS, TOML, refused_manifests


def test_the_whole_manifest_is_read() -> None:
    project = parse_project(TOML.encode())
    assert (project.cryptlet.name, project.cryptlet.version, project.cryptlet.kind) == (
        "hello-world",
        "1.2.0rc1",
        "utility",
    )
    assert project.source.modules == ("__init__.py", "service.py", "words/__init__.py", "py.typed")
    assert (project.hardware.cpus, project.hardware.memory_mb, project.hardware.labels) == (1, 128, {"tee": "tdx"})
    assert project.price is not None
    assert (project.price.amount, project.price.currency) == ("0.05", "EUR")
    assert (project.determinism.mode, project.capabilities) == ("strict", ())


@pytest.mark.parametrize("case", refused_manifests())
def test_a_wrong_manifest_names_its_key(case: str) -> None:
    text, reason = refused_manifests()[case]
    with pytest.raises(Malformed) as refusal:
        parse_project(text.encode())
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith("cryptlet.toml: ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"a = ",
        b"a = 1e400",
        b"a = " + b"[" * 3000,
        b"a = 9" + b"9" * 5000,
        b"a = 2026-99-99",
        b"cryptlet = 1",
        b"cryptlet = {}",
        b"[source]\nmodules = [1]",
        b'"\\u001b[2J" = 1',
        bytes(MAX_TOML_BYTES + 1),
    ],
)
def test_no_manifest(data: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_project(data)
    assert str(refusal.value).isprintable()


WORDS = [*TOML.split(), "[", "]", "=", "\n", '"', "[[a]]", "{", "}", "1", "-", "2026-01-01", "inf", ","]


@given(
    st.binary(max_size=100) | st.lists(st.sampled_from(WORDS), max_size=30).map(lambda words: " ".join(words).encode())
)
def test_any_bytes_give_a_manifest_or_malformed(data: bytes) -> None:
    for candidate in (data, TOML.encode() + b"\n" + data):
        try:
            assert isinstance(parse_project(candidate), Project)
        except Malformed:
            continue


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "1 to 64 methods"),
        ({f"m{number}": {} for number in range(65)}, "1 to 64 methods"),
        ({"__init__": {}}, "no name of a method"),
        ({"Judge": {}}, "no name of a method"),
        ({"m": None}, "an object"),
        ({"m": {"description": "", "input": None}}, "an object with description"),
        ({"m": {"description": "", "input": None, "output": {}, "more": 1}}, "an object with"),
        ({"m": {"description": 1, "input": None, "output": {}}}, "description is a text"),
        ({"m": {"description": "", "input": None, "output": None}}, "output a schema"),
        ({"m": {"description": "", "input": "file", "output": {}}}, "null for a raw file"),
    ],
)
def test_wrong_methods(value: canonical.JsonObject, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        parse_methods(canonical.encode(value))


@given(st.binary(max_size=100))
def test_any_bytes_give_methods_or_malformed(data: bytes) -> None:
    for candidate in (data, METHODS[: len(data)] + data):
        try:
            assert parse_methods(candidate)
        except Malformed:
            continue


@pytest.mark.parametrize(
    "licence", ["MIT", "GPL-2.0+", "LicenseRef-Own", "(MIT)", "A AND (B OR (C WITH d-exception)) OR D", "0BSD"]
)
def test_licences(licence: str) -> None:
    text = TOML.replace("MIT OR (Apache-2.0 WITH LLVM-exception AND LicenseRef-Own)", licence)
    assert parse_project(text.encode()).cryptlet.licence == licence


@given(st.lists(st.sampled_from(["MIT", "AND", "OR", "WITH", "(", ")", "+", " ", "é"]), max_size=12).map("".join))
def test_any_text_is_a_licence_or_refused(text: str) -> None:
    try:
        assert check_licence(text) == text
    except ValueError:
        return
    assert text.count("(") == text.count(")")


def test_what_an_author_need_not_say() -> None:
    """A project of before has no licence, README or links, and stays what it was."""
    bare = [line for line in TOML.splitlines() if not line.startswith(("licence", "readme", "homepage", "repository"))]
    project = parse_project("\n".join(bare).encode())
    one = project.cryptlet
    assert (one.licence, one.readme, one.homepage, one.repository) == (None, None, None, None)
    names = lay_out(project, Parts(b"", METHODS, {}))
    assert names["hello_world-1.2.0rc1.dist-info/METADATA"].startswith(b"Metadata-Version: 2.1\nName: hello-world\n")
    assert "hello_world-1.2.0rc1.dist-info/README.md" not in names
