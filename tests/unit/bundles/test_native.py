"""Binary wheels: named with their machine, asked for by a capability, and read before anybody loads them."""

import hashlib
import platform
import subprocess
import sysconfig
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles.build import build
from fabric.bundles.lint import lint
from fabric.bundles.lock import Dependency, check_contents, import_names, take_wheels
from fabric.bundles.manifest import parse_project
from fabric.bundles.native import Machine, Needs, check_fit, needs_of, unpack
from fabric.bundles.rebuild import check_reproducible
from fabric.core.elf import read_library
from fabric.core.errors import AuthorError, Malformed
from fabric.core.ids import sha256
from registry.compare import Effect, compare
from registry.lint import lint_path
from registry.terms import terms_of_bundle
from tests.support.binaries import (
    COMPILER,
    FILENAME,
    PLATFORM,
    SOURCES,
    adder,
    binary_wheel,
    compiled,
    locked_toml,
    needs_compiler,
    write_binary,
)
from tests.support.locked import write_locked
from tests.support.projects import TOML

HERE: Final = platform.machine()
X86: Final = Machine("x86_64", 36, 11)


@pytest.mark.parametrize(
    ("tags", "needs"),
    [
        ("py3-none-any", None),
        ("cp311-cp311-manylinux_2_17_x86_64", Needs("x86_64", 17, 11, is_stable=False)),
        ("cp38-abi3-manylinux2014_aarch64", Needs("aarch64", 17, 8, is_stable=True)),
        ("py3-none-manylinux_2_28_x86_64", Needs("x86_64", 28, 0, is_stable=True)),
        ("cp311-cp311-manylinux2010_x86_64.manylinux_2_28_x86_64", Needs("x86_64", 12, 11, is_stable=False)),
    ],
)
def test_a_file_name_says_what_it_needs(tags: str, needs: Needs | None) -> None:
    assert needs_of(f"adder-1.0-{tags}.whl") == needs


@pytest.mark.parametrize(
    ("tags", "fits"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64", True),
        ("cp311-cp311-manylinux_2_36_x86_64", True),
        ("cp311-cp311-manylinux_2_37_x86_64", False),
        ("cp311-cp311-manylinux_2_17_aarch64", False),
        ("cp310-cp310-manylinux_2_17_x86_64", False),
        ("cp310-abi3-manylinux_2_17_x86_64", True),
        ("cp312-abi3-manylinux_2_17_x86_64", False),
        ("py2.py3-none-manylinux1_x86_64", True),
    ],
)
def test_a_machine_fits_or_is_told(tags: str, *, fits: bool) -> None:
    needs = needs_of(f"adder-1.0-{tags}.whl")
    assert needs is not None
    assert needs.fits(X86) is fits
    assert not needs.fits(Machine(needs.machine, None, 11)), "another C library than GNU's"
    if not fits:
        with pytest.raises(ValueError, match=r"needs CPython 3\..* here is CPython 3\.11, x86_64, glibc 2\.36"):
            check_fit({"adder": needs}, X86)


def test_this_machine_is_known() -> None:
    assert Machine.here().name == HERE
    assert str(Machine("x86_64", None, 11)).endswith("another C library than glibc 2")


def toml(filename: str = FILENAME, capabilities: str = '["native"]') -> bytes:
    """Returns a ``cryptlet.toml`` that locks a wheel of that name."""
    text = locked_toml(b"", filename=filename, capabilities=capabilities)
    return text.format(name="greeter", version="1.0.0", package="greeter").encode()


@pytest.mark.parametrize(
    "tags",
    [
        "cp311-cp311-linux_x86_64",
        "cp311-cp311-musllinux_1_2_x86_64",
        "cp311-cp311-win_amd64",
        "cp311-cp311-macosx_11_0_arm64",
        "cp311-cp311-manylinux_2_17_i686",
        "cp311-cp310-manylinux_2_17_x86_64",
        "cp313-cp313t-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux_2_17_aarch64",
        "pp310-pypy310_pp73-manylinux_2_17_x86_64",
        "cp311-cp311-any",
    ],
)
def test_other_platforms_are_not_locked(tags: str) -> None:
    with pytest.raises(Malformed, match=r"cryptlet.toml: dependencies"):
        parse_project(toml(f"adder-1.0-{tags}.whl"))


def test_a_binary_wheel_is_asked_for() -> None:
    assert parse_project(toml()).capabilities == ("native",)
    with pytest.raises(Malformed, match=r'is a binary wheel: write capabilities = \["native"\]'):
        parse_project(toml(capabilities="[]"))
    with pytest.raises(Malformed, match="grants no capability 'net'"):
        parse_project(toml(capabilities='["native", "net"]'))
    with pytest.raises(Malformed, match="a capability is listed twice"):
        parse_project(toml(capabilities='["native", "native"]'))


def dependency(wheel: bytes, filename: str = FILENAME) -> Dependency:
    return Dependency(name="adder", version="1.0", sha256=hashlib.sha256(wheel).hexdigest(), filename=filename)


def taken(files: Mapping[str, bytes], modes: Mapping[str, int] | None = None) -> None:
    """Takes a wheel of files and reads what is in it; raises ``Malformed``."""
    wheel = binary_wheel(files, modes)
    locked = [dependency(wheel)]
    check_contents(locked, take_wheels(locked, [wheel], "greeter"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"adder/__init__.py": b""}, "has no library; lock the pure wheel"),
        ({"adder.so": b"MZ"}, "no ELF file"),
        ({"adder/data.bin": b"\x7fELF"}, "no ELF file"),
        ({"adder.so.1": bytes(80)}, "no 64-bit ELF file"),
        ({"adder.pth": b"import os"}, "only shared libraries, Python sources and plain data are taken"),
        ({"adder.pyd": b""}, "only shared libraries"),
        ({"adder.pyc": b""}, "only shared libraries"),
        ({"adder-1.0.data/scripts/run": b""}, "only shared libraries"),
        ({"a b.py": b""}, "has no plain name"),
        ({"json.so": b""}, "brings 'json'"),
        ({"pydantic.cpython-311-x86_64-linux-gnu.so": b""}, "brings 'pydantic'"),
        ({"../adder.so": b""}, "leaves the folder"),
        ({"adder/x": b"", "adder/x/y": b""}, "'adder/x' is the name of a file and of a folder"),
        ({"adder/x/y/z": b"", "adder/x": b""}, "'adder/x' is the name of a file and of a folder"),
        ({"adder/x/": b"", "adder/x": b""}, "'adder/x' is the name of a file and of a folder"),
        ({"a" * 256: b""}, "one that is too long"),
        ({"/".join(["a" * 100] * 6): b""}, "one that is too long"),
        ({"a/" * 30_000 + "b": b""}, "one that is too long"),
        ({f"a{n}/" + "b/" * 250 + "c": b"" for n in range(17)}, "4096 files and folders"),
    ],
)
def test_what_is_no_library_or_no_plain_file_is_refused(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        taken(files)
    assert reason in str(refusal.value)


@pytest.mark.parametrize("mode", [0o104755, 0o102755, 0o101755])
def test_a_file_that_runs_as_another_user_is_refused(mode: int) -> None:
    with pytest.raises(Malformed, match="runs as another user"):
        taken({"adder/__init__.py": b""}, {"adder/__init__.py": mode})


def test_the_longest_name_and_the_most_folders_are_taken(tmp_path: Path) -> None:
    files = {"a" * 255 + "/" + "b" * 255: b"", **{f"c{n}/" + "d/" * 240 + "e": b"" for n in range(16)}}
    wheel = binary_wheel(files)
    take_wheels([dependency(wheel)], [wheel], "greeter")
    unpack(wheel, FILENAME, tmp_path)
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(files)


def test_bombs_are_refused() -> None:
    with pytest.raises(Malformed, match="at most 33554432 bytes unpacked"):
        taken({"adder/zeros.bin": bytes((32 << 20) + 1)})
    wheel = bytearray(binary_wheel({"adder/__init__.py": b"x" * 1000}))
    with zipfile.ZipFile(BytesIO(wheel)) as file:
        begin = file.start_dir
    wheel[begin + 24 : begin + 28] = (10).to_bytes(4, "little")  # the directory says ten bytes, the content has more
    with pytest.raises(Malformed, match="cannot be unpacked"):
        check_contents([dependency(bytes(wheel))], {FILENAME: bytes(wheel)})


@needs_compiler
class TestLibraries:
    """Wheels that are made here, by the compiler of this machine."""

    def test_a_library_of_the_wheel_is_found(self, tmp_path: Path) -> None:
        wheel = adder(tmp_path)
        locked = [dependency(wheel)]
        check_contents(locked, take_wheels(locked, [wheel], "greeter"))
        assert import_names(wheel, FILENAME) == {"adder", "adder.libs"}

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (["-Wl,-z,execstack"], "asks for an executable stack"),
            (["-Wl,-rpath,/opt/lib"], "looks for libraries in '/opt/lib'"),
            (["-Wl,-rpath,$ORIGIN/../.."], "looks for libraries in"),
            (["-Wl,-rpath,$ORIGIN:/lib"], "looks for libraries in '/lib'"),
            (["-Wl,-rpath,$LIB/x"], "looks for libraries in"),
            (["-Wl,--no-as-needed", "-lcrypt"], "needs libcrypt.so.1, which neither the wheel nor a container has"),
            (["-Wl,--audit=evil.so"], "an auditor"),
            (["-Wl,-F,other.so"], "a filter"),
        ],
    )
    def test_a_library_that_reaches_out_is_refused(self, tmp_path: Path, options: list[str], reason: str) -> None:
        library = compiled(tmp_path, SOURCES / "sum.c", options)
        with pytest.raises(Malformed) as refusal:
            taken({"adder/sum.so": library})
        assert reason in str(refusal.value)

    def test_programs_and_other_machines_are_refused(self, tmp_path: Path) -> None:
        source = tmp_path / "program.c"
        source.write_text("int main(void) { return 0; }")
        subprocess.run([str(COMPILER), "-pie", "-fPIE", str(source), "-o", str(tmp_path / "program")], check=True)
        with pytest.raises(Malformed, match="a program, not a shared library"):
            taken({"adder/program": (tmp_path / "program").read_bytes()})
        library = compiled(tmp_path, SOURCES / "sum.c")
        other = "aarch64" if HERE == "x86_64" else "x86_64"
        with pytest.raises(Malformed, match=f"no 64-bit ELF file for {other}"):
            read_library(library, "adder/sum.so", other)

    def test_any_bytes_give_a_library_or_malformed(self, tmp_path: Path) -> None:
        library = compiled(tmp_path, SOURCES / "sum.c")

        @given(st.integers(0, len(library) - 1), st.binary(min_size=1, max_size=8))
        def changed(at: int, put: bytes) -> None:
            for candidate in (library[:at] + put + library[at + len(put) :], library[:at], put):
                try:
                    read_library(candidate, "adder/sum.so", HERE)
                except Malformed:
                    continue

        changed()

    def test_a_project_is_built_and_measured_with_it(self, tmp_path: Path) -> None:
        wheel = adder(tmp_path / "made")
        project = write_binary(tmp_path / "project", wheel)
        built = build(project)
        assert sorted(built.bundle.manifest.methods) == ["add"]
        assert built.dependencies == {FILENAME: wheel}
        assert sha256(wheel).hex() in str(built.bundle.manifest.project.dependencies)
        check_reproducible(built, project)
        assert lint_path(project) == ()

    def test_a_project_for_another_machine_is_not_built_here(self, tmp_path: Path) -> None:
        wheel = adder(tmp_path / "made")
        project = write_binary(tmp_path / "project", wheel)
        newer = FILENAME.replace("_2_17_", "_2_99_")
        (project / "wheels" / FILENAME).rename(project / "wheels" / newer)
        text = (project / "cryptlet.toml").read_text()
        (project / "cryptlet.toml").write_text(text.replace(FILENAME, newer))
        with pytest.raises(AuthorError, match=rf"{newer} needs CPython .* glibc 2\.99 or later; here is CPython"):
            build(project)

    def test_a_difference_names_the_capability(self, tmp_path: Path) -> None:
        before = terms_of_bundle(build(write_locked(tmp_path / "before")).bundle)
        after = terms_of_bundle(build(write_binary(tmp_path / "after", adder(tmp_path / "made"))).bundle)
        changes = {(one.part, one.subject): one.effect for one in compare(before, after)}
        assert changes["capability", "native"] is Effect.MORE


def test_the_lint_asks_for_no_more_than_is_used() -> None:
    plain = TOML.format(name="greeter", version="1.0.0", package="greeter")
    asking = f'capabilities = ["native"]\n{plain}'.encode()
    (found,) = lint({}, parse_project(asking), asking)
    assert (found.said, found.line) == ("asks for 'native', and no module uses it", 1)
    assert lint({}, parse_project(toml()), toml(), frozenset()) == ()
    assert lint({"greeter.py": b"import ctypes\n"}, parse_project(asking), asking) == ()
    assert [one.use for one in lint({"greeter.py": b"import ctypes\n"}, parse_project(plain.encode()))] == [
        "native code"
    ]


def test_the_tag_of_this_test_is_this_interpreter() -> None:
    assert needs_of(FILENAME) == needs_of(f"a-1-cp{sysconfig.get_config_var('py_version_nodot')}-none-{PLATFORM}.whl")
