"""How a machine takes part in a Ray of several."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.errors import ConfigError, Malformed
from fabric.runtime.head import HeadConfig
from fabric.runtime.member import FEWEST_PORTS, Member, parse_ports, read_token

TOKEN = "ab" * 32
NODE = Member("worker", "10.0.0.3", (21000, 21063), (21000, 21191), TOKEN, head="10.0.0.2:21000", sockets="/enclaves")
HEAD = replace(NODE, name="head", head="")


@pytest.mark.parametrize("member", [NODE, HEAD, replace(NODE, drives=True, sockets=""), None])
def test_what_was_written_is_read(member: Member | None) -> None:
    config = HeadConfig(2, 1 << 30, 1 << 28, "/ray", member)
    assert HeadConfig.parse(canonical.encode(config.to_json())) == config


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_malformed(data: bytes) -> None:
    try:
        HeadConfig.parse(data)
    except Malformed:
        return


def test_every_part_of_ray_has_a_port_of_the_range() -> None:
    arguments = NODE.arguments(2, 1 << 30, 1 << 28, "/ray")
    ports = [int(arguments[at + 1]) for at, name in enumerate(arguments) if name.endswith("-port")]
    assert len(set(ports)) == len(ports) == 8
    assert all(21000 < port <= 21063 for port in ports)
    assert arguments[:2] == ["--address", "10.0.0.2:21000"]
    assert "--labels" in arguments
    assert "cryptlet-node=worker" in arguments
    assert HEAD.arguments(2, 1, 1, "/ray")[:3] == ["--head", "--port", "21000"]
    assert TOKEN not in " ".join(arguments)  # a command line can be read by others


def test_ranges_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="too few"):
        replace(NODE, ports=(21000, 21000 + FEWEST_PORTS - 2))
    with pytest.raises(ConfigError, match="lie outside reach 21000-21191"):
        replace(NODE, ports=(21180, 21243))


@pytest.mark.parametrize("text", ["", "21000", "21000-", "2-1", "0-9", "a-b", "1-65536", "-1-5"])
def test_what_is_no_range_of_ports_is_named(text: str) -> None:
    assert parse_ports("21000-21063", "--ports") == (21000, 21063)
    with pytest.raises(ConfigError, match="--ports: expected FIRST-LAST"):
        parse_ports(text, "--ports")


def test_a_token_is_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(ConfigError, match="cryptlet node token FILE"):
        read_token(path)
    path.write_text(TOKEN + "\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read it"):
        read_token(path)
    path.chmod(0o600)
    assert read_token(path) == TOKEN
    path.write_text("guess")
    with pytest.raises(ConfigError, match="32 characters or more, got 5"):
        read_token(path)
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(ConfigError, match="no text"):
        read_token(path)


@pytest.mark.parametrize("name", ["", "a,cryptlet-node=head", "../x", "-x", "x" * 64])
def test_a_name_that_is_no_label_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a name has letters"):
        replace(NODE, name=name)


@pytest.mark.parametrize("head", ["nohost", "a:b", "a b:1", ":1", "a:", "a:1:2"])
def test_a_head_that_is_no_address_is_refused_and_not_tried_for_ever(head: str) -> None:
    with pytest.raises(ConfigError, match="ADDRESS:PORT"):
        replace(NODE, head=head)
