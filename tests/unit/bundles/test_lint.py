"""Lint: what the code uses and the manifest does not ask for, and the other way round; each with place, why and fix."""

import ast
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles.lint import Finding, Severity, lint
from fabric.bundles.lint_rules import RULES
from fabric.bundles.manifest import Project, parse_project
from fabric.bundles.uses import read_uses
from fabric.core.errors import Malformed
from tests.support.projects import BAD, COLD_CHAIN, FINGERPRINT, RELAY, SOURCE, TOML, built

STRICT: Final = TOML.format(name="greeter", version="1.0.0", package="greeter")
NONE: Final = STRICT.replace('"strict"', '"none"')


def _lint(source: str, toml: str = STRICT, **asked: object) -> tuple[Finding, ...]:
    project = parse_project(toml.encode()).model_copy(update=asked)
    return lint({"greeter/__init__.py": source.encode()}, project, toml.encode())


def _said(found: tuple[Finding, ...]) -> list[tuple[int, str, str]]:
    return [(one.line, one.use, one.said) for one in found]


@pytest.mark.parametrize("project", [COLD_CHAIN, FINGERPRINT, RELAY], ids=lambda project: project.name)
def test_the_cryptlets_of_the_box_are_clean(project: Path) -> None:
    bundle = built(project).bundle
    assert lint(bundle.modules, bundle.manifest.project, bundle.toml) == ()


def test_a_new_project_is_clean() -> None:
    assert _lint(SOURCE) == ()


@pytest.mark.parametrize(
    ("source", "use", "said"),
    [
        ("import socket", "network", "uses socket"),
        ("import urllib.request as r", "network", "uses urllib.request"),
        ("from urllib import request", "network", "uses urllib.request"),
        ("from http.client import HTTPSConnection", "network", "uses http.client"),
        ("import requests", "network", "uses requests"),
        ("open('a')", "files", "uses open"),
        ("import io\nio.open('a')", "files", "uses io.open"),
        ("import pathlib as p\np.Path('a').read_text()", "files", "uses pathlib.Path"),
        ("from pathlib import Path", "files", "uses pathlib.Path"),
        ("import os\nos.listdir()", "files", "uses os.listdir"),
        ("from os import *", "processes", "uses os._exit"),
        ("import subprocess", "processes", "uses subprocess"),
        ("import os as o\no.system('a')", "processes", "uses os.system"),
        ("import threading\nthreading.Thread()", "processes", "uses threading.Thread"),
        ("import os\nos.environ.get('A')", "environment", "uses os.environ"),
        ("from os import environ as e\ne['A']", "environment", "uses os.environ"),
        ("import pickle", "unpickling", "uses pickle"),
        ("def f() -> None:\n    from marshal import loads", "unpickling", "uses marshal"),
        ("import shelve", "unpickling", "uses shelve"),
        ("import dill", "unpickling", "uses dill"),
        ("import ctypes", "native code", "uses ctypes"),
        ("eval('1')", "code made at run time", "uses eval"),
        ("run = exec", "code made at run time", "uses exec"),
        ("__import__('socket')", "code made at run time", "uses __import__"),
        ("__builtins__['eval']", "code made at run time", "uses __builtins__"),
        ("import builtins\nbuiltins.open('a')", "files", "uses open"),
        ("import importlib\nimportlib.import_module('a')", "code made at run time", "uses importlib.import_module"),
        ("import time\ntime.time()", "clock", "uses time.time"),
        ("from datetime import UTC, datetime as d\nd.now(UTC)", "clock", "uses datetime.datetime.now"),
        ("import random\nrandom.choice([1])", "chance", "uses random.choice"),
        ("import os\nos.urandom(1)", "chance", "uses os.urandom"),
        ("from uuid import uuid4", "chance", "uses uuid.uuid4"),
        ("import secrets", "chance", "uses secrets"),
        ("import numpy.linalg", "import", "imports numpy"),
        ("from fabric.core import canonical", "import", "imports fabric.core.canonical"),
        ("import fabric", "import", "imports fabric"),
        ("from adapters.native import books", "import", "imports adapters.native.books"),
        ("from fabric.sdk import Context\ndef f(c: Context) -> None: c.fetch('a')", "context", "context for 'fetch'"),
        ("from fabric import sdk\ndef f(c: 'sdk.Context') -> None: c._seed", "context", "context for '_seed'"),
        ("1 +", "source", "no Python source"),
        ("a\0", "source", "no Python source"),
    ],
)
def test_what_is_used_and_not_asked_for(source: str, use: str, said: str) -> None:
    found = [one for one in _lint(source) if one.use == use]
    assert found, _lint(source)
    one = found[0]
    assert said in one.said
    assert (one.file, one.severity) == ("greeter/__init__.py", Severity.ERROR)
    assert one.why
    assert one.fix
    assert str(one).startswith(f"greeter/__init__.py:{one.line}: error: ")


@pytest.mark.parametrize(
    "source",
    [
        "import os.path\nos.path.join('a', 'b')",
        "from pathlib import PurePath",
        "import zipfile\nzipfile.ZipFile(b'').open('a')",
        "import time\ntime.gmtime(0)",
        "from datetime import datetime\ndatetime.fromisoformat('a')",
        "import random\nrandom.Random(1).choice([1])",
        "import re\nre.compile('a')",
        "def open(name: str) -> str: return name\nopen('a')",
        "import fabric.sdk\nfrom fabric.sdk.messages import deliver",
        "from greeter import words\nfrom . import more\nfrom .time import time\ntime()",
        "import pydantic, pydantic_core, typing_extensions",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import socket, numpy",
        "from fabric.sdk import Context\ndef f(ctx: Context) -> None: ctx.random.random(), ctx.entropy(4), ctx.as_of",
        "from decimal import Context\ndef f(ctx: Context) -> None: ctx.prec",
        "import threading\nthreading.Lock()",
    ],
)
def test_what_an_author_may_use(source: str) -> None:
    assert _lint(source) == ()


def test_every_file_and_line_is_named_once_for_each_name() -> None:
    source = "import os\n\nos.environ['A']\nos.environ['B']\nos.urandom(1)\n"
    assert _said(_lint(source)) == [(3, "environment", "uses os.environ"), (5, "chance", "uses os.urandom")]


def test_without_a_promise_clock_and_chance_are_free() -> None:
    assert _lint("import time, random\ntime.time(), random.random()", NONE) == ()
    assert [one.use for one in _lint("import pickle, time\ntime.time()", NONE)] == ["unpickling"]


def test_a_granted_capability_is_no_finding() -> None:
    assert _lint("import socket", capabilities=("network",)) == ()
    assert [one.use for one in _lint("import socket\nopen('a')", capabilities=("network",))] == ["files"]


def test_what_is_asked_for_and_not_used() -> None:
    toml = "capabilities = []\n" + NONE + "\n[hardware]\ngpus = 1\n"
    found = _lint("", toml, capabilities=("network",))
    assert {one.severity for one in found} == {Severity.WARNING}
    lines = toml.splitlines()
    assert {one.use: lines[one.line - 1].partition(" ")[0] for one in found} == {
        "capabilities": "capabilities",
        "mode": "mode",
        "gpus": "gpus",
    }
    assert {one.file for one in found} == {"cryptlet.toml"}
    assert all(one.why and one.fix for one in found)


def test_other_files_than_python_are_passed_over() -> None:
    assert lint({"greeter/py.typed": b"\xff"}, parse_project(STRICT.encode())) == ()


def test_the_tests_own_bad_bundle_is_seen_through() -> None:
    bundle = built(BAD).bundle
    assert any(one.severity is Severity.ERROR for one in lint(bundle.modules, bundle.manifest.project, bundle.toml))


def test_no_name_stands_in_two_rules() -> None:
    names = [name for rule in RULES for name in rule.names]
    assert len(names) == len(set(names))


def test_a_hostile_source_ends_soon() -> None:
    """Long chains are cut; what the parser itself gives up on is no Python source."""
    for source in (b"a" + b".a" * 200_000, b"(" * 100_000, b"import os\n" + b"os.environ\n" * 20_000):
        try:
            uses = read_uses(source, "a.py")
        except Malformed:
            continue
        assert len(uses) <= 2 * source.count(b"\n") + 1


WORDS: Final = [
    "import ",
    "from ",
    "os",
    ".",
    "environ",
    "\n",
    " as ",
    "open",
    "(",
    ")",
    "def f(c: Context):",
    " ",
    "*",
]


@given(
    st.binary(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=20).map(lambda words: "".join(words).encode())
)
def test_any_source_gives_findings(source: bytes) -> None:
    found = lint({"a.py": source}, _project())
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        assert [one.use for one in found] == ["source"]


def _project() -> Project:
    return parse_project(STRICT.encode())
