"""Key files: made once, owner only, refused when others may read them or they hold something else."""

import stat
from pathlib import Path

import pytest

from fabric.core.errors import ConfigError
from fabric.signers.create import ED25519, SECP256K1, KeyFile, public_keys
from fabric.signers.files import ed25519_key, secp256k1_key
from fabric.signers.pair import KeyPair


def test_a_missing_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log.key"
    first = ed25519_key(path).public_key().public_bytes_raw()
    assert ed25519_key(path).public_key().public_bytes_raw() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["log.key"]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    ed25519_key(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        ed25519_key(path)


@pytest.mark.parametrize("content", [b"", b"00" * 32, b"zz" * 32 + b"\n", b"00" * 33 + b"\n"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="expected 64"):
        ed25519_key(path)


def test_zero_is_no_secp256k1_key(tmp_path: Path) -> None:
    path = tmp_path / "account.key"
    path.touch(mode=0o600)
    path.write_bytes(b"00" * 32 + b"\n")
    with pytest.raises(ConfigError, match="secp256k1"):
        secp256k1_key(path)


def test_a_link_to_a_key_is_refused(tmp_path: Path) -> None:
    ed25519_key(tmp_path / "real.key")
    (tmp_path / "link.key").symlink_to(tmp_path / "real.key")
    with pytest.raises(ConfigError):
        ed25519_key(tmp_path / "link.key")


async def test_public_keys_are_told_by_another_process(tmp_path: Path) -> None:
    files = [KeyFile(ED25519, tmp_path / "a.key"), KeyFile(SECP256K1, tmp_path / "b.key")]
    key, address = await public_keys(files)
    pair = KeyPair.from_files(tmp_path / "a.key", tmp_path / "b.key")
    assert (key, address) == (pair.keys.ed25519, pair.keys.address)


async def test_a_bad_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(b"nonsense")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"a\.key"):
        await public_keys([KeyFile(ED25519, path)])


def test_a_pair_shows_no_private_key() -> None:
    pair = KeyPair.generate()
    assert repr(pair) == "KeyPair()"
