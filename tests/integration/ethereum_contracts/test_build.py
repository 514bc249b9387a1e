"""The committed artefacts are what the sources compile to, and no error of theirs goes without a test."""

import re
from pathlib import Path

import pytest

from adapters.ethereum.contracts import build, load

pytestmark = pytest.mark.ethereum

HERE = Path(__file__).parent


@pytest.mark.timeout(300)
def test_the_artefacts_are_fresh(capfd: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check"]) == 0, capfd.readouterr().err


@pytest.mark.parametrize("name", ["Settlement", "ShipmentContract", "InsuredShipment"])
def test_every_error_has_a_test(name: str) -> None:
    tests = "".join(path.read_text() for path in sorted(HERE.glob("test_*.py")))
    named = set(re.findall(r'"([A-Z]\w+)"', tests))
    errors = {entry["name"] for entry in load(name).abi if entry["type"] == "error"}
    assert errors - named == set()
