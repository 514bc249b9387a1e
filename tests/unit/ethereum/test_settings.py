"""The configuration of a ledger: defaults, and refusals that name the key."""

import pytest

from adapters.ethereum.settings import parse_settings
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import ConfigError

GIVEN: JsonObject = {"url": "http://127.0.0.1:8545", "settlement": "0x" + "0a" * 20, "salt": "00" * 32}


def test_defaults() -> None:
    settings = parse_settings(GIVEN)
    assert (settings.finality, settings.start, settings.genesis) == (4, 0, None)
    assert settings.address == b"\n" * 20
    assert settings.fees.cap > settings.fees.tip > 0


@pytest.mark.parametrize("key", ["url", "settlement", "salt"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        parse_settings({name: value for name, value in GIVEN.items() if name != key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "ws://127.0.0.1"),
        ("settlement", "0a" * 20),
        ("settlement", "0x" + "0A" * 20),
        ("salt", "0x" + "00" * 32),
        ("finality", -1),
        ("finality", "many"),
        ("genesis", "00"),
        ("timeout_seconds", 0),
    ],
)
def test_a_wrong_value_is_named(key: str, value: JsonValue) -> None:
    with pytest.raises(ConfigError, match=key):
        parse_settings(GIVEN | {key: value})


def test_an_unknown_key_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'finalty' - did you mean 'finality'\?"):
        parse_settings(GIVEN | {"finalty": 4})
