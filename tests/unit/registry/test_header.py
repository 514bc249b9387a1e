"""Typed stubs: they say what the bundle says, and whatever it calls its things, nothing of it becomes code."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles.bundle import read_bundle
from fabric.core.errors import Malformed, NotFound
from fabric.core.ids import method_word
from registry.header.names import line, pascal, snake
from registry.header.python import MAX_SCHEMAS, python
from registry.header.solidity import solidity
from tests.support.headers import awkward_methods, with_methods
from tests.support.projects import COLD_CHAIN, built
from tests.support.registries import wheel

JUDGE = built(COLD_CHAIN).bundle
GREETER = read_bundle(wheel())


def test_a_contract_gets_measurement_words_and_payload() -> None:
    text = solidity(JUDGE, ("accepted", "mean_kinetic_millicelsius"))
    assert f"MEASUREMENT = 0x{JUDGE.measurement.hex()};" in text
    assert f"JUDGE = 0x{method_word('judge').hex()};" in text
    assert 'fields = [["accepted", "bool"], ["mean_kinetic_millicelsius", "int256"]]' in text
    assert "payload.length == 64" in text
    assert solidity(JUDGE) == solidity(JUDGE)


def test_a_member_that_is_not_there_or_not_one_word_is_named() -> None:
    with pytest.raises(NotFound, match=r"no output of cold-chain@1\.0\.0 has a member 'acepted' - did you mean"):
        solidity(JUDGE, ("acepted",))
    with pytest.raises(Malformed, match="field verdict: expected boolean or integer"):
        solidity(JUDGE, ("verdict",))


ALIKE = with_methods(awkward_methods())


def test_a_client_gets_types_that_a_checker_takes(tmp_path: Path) -> None:
    for number, bundle in enumerate((JUDGE, GREETER, ALIKE)):
        (tmp_path / f"stub{number}.py").write_text(python(bundle))
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout


_NASTY = st.text(alphabet="ab_-\"'\\\n*/{};()#\u202e\u00e9 0", min_size=1, max_size=24)


@given(name=_NASTY, member=_NASTY, description=_NASTY, choice=_NASTY)
def test_no_name_becomes_code(name: str, member: str, description: str, choice: str) -> None:
    output = {
        "type": "object",
        "properties": {member: {"type": "integer"}, "plain": {"enum": [choice]}},
        "required": [member],
        "description": description,
    }
    bundle = with_methods({name: {"description": description, "input": output, "output": output}})
    tree = ast.parse(python(bundle))
    kinds = {type(node).__name__ for node in tree.body}
    assert kinds <= {"Expr", "Import", "ImportFrom", "Assign", "ClassDef", "AsyncFunctionDef"}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called <= {"TypedDict", "cast", "_call", "Call", "MethodFailed"}
    code = "\n".join(row.partition("//")[0] for row in solidity(bundle).splitlines())
    assert "/*" not in code
    assert re.fullmatch(r"[A-Za-z0-9_ ^.;{}()=,\"\n]*", code)


@given(_NASTY)
def test_names_are_identifiers(text: str) -> None:
    assert pascal(text).isidentifier()
    assert snake(text).isidentifier()
    assert "\n" not in line(text)
    assert "*/" not in line(text)


def test_no_method_takes_a_name_that_the_stub_needs() -> None:
    """A method called ``json`` would be called by every other one."""
    tree = ast.parse(python(ALIKE))
    functions = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    assert len(set(functions)) == len(functions) == 1 + len(ALIKE.manifest.methods)
    assert {"json", "cast", "str", "list"}.isdisjoint(functions)
    assert {"json_", "cast_", "judge_1", "judge_1_"} <= set(functions)


def test_definitions_that_double_at_each_step_end() -> None:
    name = "n" * 500
    node = {"type": "object", "properties": {side: {"$ref": f"#/$defs/{name}"} for side in "ab"}, "required": ["a"]}
    output = {"$ref": f"#/$defs/{name}", "$defs": {name: node}}
    text = python(with_methods({"tree": {"description": "d", "input": None, "output": output}}))
    assert text.count("TypedDict(") <= MAX_SCHEMAS
    assert len(text) < 4 << 20
