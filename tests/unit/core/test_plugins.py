"""Entry points: found by name, or refused with what would help."""

import json
from importlib.metadata import EntryPoint

import pytest

from fabric.core import plugins
from fabric.core.errors import PluginError

POINTS = [
    EntryPoint("json", "json:loads", plugins.LEDGERS),
    EntryPoint("broken", "no_such_module_anywhere:x", plugins.LEDGERS),
    EntryPoint("missing", "json:no_such_name", plugins.LEDGERS),
]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: POINTS if group == plugins.LEDGERS else [])


def test_names_load_nothing() -> None:
    assert plugins.names(plugins.LEDGERS) == ["broken", "json", "missing"]
    assert plugins.names(plugins.COMMANDS) == []


def test_one_is_loaded() -> None:
    assert plugins.load(plugins.LEDGERS, "json") is json.loads


@pytest.mark.parametrize("name", ["broken", "missing"])
def test_one_that_cannot_be_loaded_is_named_with_its_cause(name: str) -> None:
    with pytest.raises(PluginError, match=f"plug-in '{name}' of cryptlet.ledgers .* failed to load") as caught:
        plugins.load(plugins.LEDGERS, name)
    assert caught.value.__cause__ is not None


def test_an_unknown_one_names_the_nearest() -> None:
    with pytest.raises(PluginError, match="did you mean 'json'"):
        plugins.load(plugins.LEDGERS, "jsom")


def test_nearest() -> None:
    assert plugins.nearest("lisen", ["listen", "callers"]) == " - did you mean 'listen'?"
    assert plugins.nearest("xyz", ["listen"]) == " - known: listen"
    assert plugins.nearest("xyz", []) == " - known: none"
