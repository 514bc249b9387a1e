"""Rebuilding in a clean place: an honest project gives the same bytes; what hangs on the machine is found and named."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from fabric.bundles.build import build
from fabric.bundles.bundle import pack
from fabric.bundles.rebuild import check_reproducible, first_difference, rebuild
from fabric.core.errors import AuthorError
from tests.support.projects import COLD_CHAIN, SOURCE, built, write_project
from tests.vectors.gen_bundle import MODULES, PARTS, TOML

FIELD: Final = "    name: str\n"
HANGS_ON: Final = {
    "the time zone": ("import time\n", "time.tzname[0]"),
    "the environment": ("import os\n", "os.environ.get('CRYPTLET_TEST', 'elsewhere')"),
    "the umask": ("import os\n", "str(os.umask(0o022))"),
    "the folder": ("import os\n", "os.getcwd()"),
    "chance": ("import random\n", "str(random.getrandbits(64))"),
    "the process": ("import os\n", "str(os.getpid())"),
}


def test_an_honest_project_is_the_same_everywhere() -> None:
    assert rebuild(COLD_CHAIN) == built(COLD_CHAIN).wheel
    check_reproducible(built(COLD_CHAIN), COLD_CHAIN)


@pytest.mark.parametrize("what", HANGS_ON)
def test_what_hangs_on_the_machine_is_named(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTLET_TEST", "here")
    imports, value = HANGS_ON[what]
    source = SOURCE.replace(FIELD, f"    name: str = {value}\n").replace("from pydantic", f"{imports}\nfrom pydantic")
    project = write_project(tmp_path, source=source)
    with pytest.raises(
        AuthorError, match=r"greeter-1\.0\.0\.dist-info/methods\.json differs from byte \d+ on: here b'"
    ):
        check_reproducible(build(project), project)


def test_a_file_that_is_not_listed_is_not_there(tmp_path: Path) -> None:
    source = SOURCE.replace(FIELD, "    name: str = (Path(__import__('os').environ['PWD']) / 'word.txt').read_text()\n")
    project = write_project(tmp_path, source=source.replace("from pydantic", "from pathlib import Path\nfrom pydantic"))
    (project / "word.txt").write_text("Hello")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PWD", str(project))
        first = build(project)
    with pytest.raises(AuthorError, match=r"in a clean place, from what cryptlet\.toml lists alone: .*PWD"):
        check_reproducible(first, project)


def test_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="is no project"):
        rebuild(tmp_path)


def test_the_first_file_that_differs_is_named() -> None:
    one = pack(PARTS)
    two = pack(replace(PARTS, modules={**MODULES, "hello_world/service.py": b"class Hallo: ...\n"}))
    assert first_difference(one, two) == (
        "hello_world/service.py differs from byte 7 on: here b'class Hello: ...\\n', there b'class Hallo: ...\\n'"
    )
    other = TOML.replace('"words/__init__.py", ', "").encode()
    modules = {name: data for name, data in MODULES.items() if "words" not in name}
    without = pack(replace(PARTS, toml=other, modules=modules))
    assert first_difference(one, without).startswith("hello_world-1.2.0rc1.dist-info/cryptlet.toml differs")
    assert first_difference(one, one) == "no file, but the archive around them"
