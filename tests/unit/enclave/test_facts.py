"""The file from which other machines learn what to sign for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed, NotFound
from fabric.enclave.facts import Facts
from tests.support.batches import FABRIC, destination

FACTS = Facts(FABRIC, (destination("a"), destination("b")), 3)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    with pytest.raises(NotFound, match="the gateway writes it"):
        Facts.read(path)
    FACTS.write(path)
    assert Facts.read(path) == FACTS
    assert [item.name for item in tmp_path.iterdir()] == ["facts.json"]
    assert path.stat().st_mode & 0o777 == 0o644  # it holds no secret, and nodes are other users
    config = FACTS.config(tmp_path / "key")
    assert (config.fabric, config.destinations, config.epoch) == (FABRIC, FACTS.destinations, 3)


@given(st.binary(max_size=300))
def test_any_bytes_are_facts_or_malformed(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any-facts"
    path.write_bytes(data)
    with pytest.raises(Malformed):
        Facts.read(path)
    with pytest.raises(Malformed, match="cannot be read"):
        Facts.read(tmp_path_factory.getbasetemp())
