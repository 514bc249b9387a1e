"""The Python rules against the shared vectors, under both signature schemes."""

import json

import pytest

from fabric.ledger.rules.violations import Code
from fabric.trust.schemes import ED25519, EIP712
from tests.support.rules_builder import VECTORS, Scenario, build, load_scenarios
from tests.support.rules_runner import run
from tests.vectors.gen_rules import REFERENCE, document

SCENARIOS = load_scenarios()


@pytest.mark.parametrize("scheme", [ED25519, EIP712])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one["name"])
def test_the_scenario_ends_as_it_says(scenario: Scenario, scheme: str) -> None:
    run(build(scenario, REFERENCE, scheme))


def test_the_file_is_what_the_generator_writes() -> None:
    assert VECTORS.read_text() == document()


def test_every_code_and_every_no_op_is_covered() -> None:
    seen = set()
    for scenario in SCENARIOS:
        for step in scenario["steps"]:
            expect = step["expect"]
            codes = expect.values() if isinstance(expect, dict) else [expect]
            seen |= {(step["op"], code) for code in codes}
    assert {code for _, code in seen if isinstance(code, str)} >= {str(code) for code in Code}
    repeats = {
        "register",
        "set_key_status",
        "revoke_code",
        "settle",
        "open_channel",
        "send",
        "deliver",
        "acknowledge",
        "expire",
    }
    assert {op for op, code in seen if code == "no-op"} == repeats


def test_the_list_of_codes_is_closed() -> None:
    assert json.loads(VECTORS.read_text())["codes"] == [str(code) for code in Code]
