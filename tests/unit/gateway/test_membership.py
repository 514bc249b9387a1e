"""The gateway's part in a Ray of several machines."""

from pathlib import Path

import pytest

from fabric.core.errors import ConfigError
from fabric.gateway.config import load_config
from fabric.gateway.membership import member_of

NODE = f"[cluster.nodes.worker]\nattester = '{'ab' * 32}'"


def member(tmp_path: Path, text: str, enclaves: int = 0) -> object:
    token = tmp_path / "token"
    token.write_text("cd" * 32)
    token.chmod(0o600)
    path = tmp_path / "fabric.toml"
    path.write_text(f"[runtime]\nenclaves = {enclaves}\n[cluster]\ntoken_file = '{token}'\n{text}")
    return member_of(load_config(path, {}))


def test_ray_is_the_machines_own_unless_a_head_is_named(tmp_path: Path) -> None:
    assert member(tmp_path, "", enclaves=1) is None
    found = member(tmp_path, f"head = '10.0.0.2:21000'\naddress = '10.0.0.4'\n{NODE}")
    assert repr(found).startswith(
        "Member(name='gateway', address='10.0.0.4', ports=(21000, 21063), reach=(21000, 21063)"
    )


@pytest.mark.parametrize(
    ("text", "enclaves", "reason"),
    [
        ("", 0, "no cluster is named: nothing would run cryptlets"),
        (NODE, 1, "cluster.head is not"),
        (f"head = '10.0.0.2:21000'\n{NODE}", 0, "cluster.address is missing"),
        ("head = '10.0.0.2:21000'\naddress = '10.0.0.4'", 0, "names none: nothing would run cryptlets"),
        (f"head = '10.0.0.2:21000'\naddress = '10.0.0.4'\nports = '1-2'\n{NODE}", 0, "too few"),
        (f"head = '10.0.0.2'\n{NODE}", 0, "cluster.head"),
        (f"{NODE}\nenclave = 1", 0, "did you mean 'enclaves'"),
        ("haed = 'x'", 0, "did you mean 'head'"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, text: str, enclaves: int, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        member(tmp_path, text, enclaves)


def test_the_token_is_in_no_text(tmp_path: Path) -> None:
    assert "cdcd" not in repr(member(tmp_path, f"head = '10.0.0.2:21000'\naddress = '10.0.0.4'\n{NODE}"))
