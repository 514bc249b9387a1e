"""The key process: typed operations only, contradictions refused, its end is an error and not a wait."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.errors import ConfigError, Refused, SigningFailed
from fabric.core.ids import sha256
from fabric.signers.child import KeyHolder
from fabric.signers.process import KeyProcess
from fabric.signers.protocol import AccountKey, CheckpointKey, SetUp
from fabric.signers.transactions import Grant, Transaction
from fabric.trust.checkpoint import Checkpoint, open_note, sign_note

TARGET = b"\x0f" * 20
ROOT = sha256(b"root")
TRANSACTION = Transaction(31337, 1, 2, 3, 21_000, TARGET, 0, b"data")


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[KeyProcess]:
    account = AccountKey(tmp_path / "account.key", Grant(31337, frozenset({TARGET})))
    started = await KeyProcess.start(checkpoint=CheckpointKey(tmp_path / "log.key", "log"), account=account)
    yield started
    await started.aclose()


async def test_a_checkpoint_is_signed(process: KeyProcess) -> None:
    key, signature = await process.sign_checkpoint("log", 3, ROOT)
    checkpoint = Checkpoint("log", 3, ROOT)
    assert open_note(sign_note(checkpoint, key, signature), process.checkpoint_key) == checkpoint


async def test_two_histories_of_a_log_are_not_signed(process: KeyProcess) -> None:
    await process.sign_checkpoint("log", 3, ROOT)
    await process.sign_checkpoint("log", 3, ROOT)
    for origin, size, root in (("other", 4, ROOT), ("log", 2, ROOT), ("log", 3, sha256(b"other"))):
        with pytest.raises(Refused):
            await process.sign_checkpoint(origin, size, root)
    await process.sign_checkpoint("log", 4, sha256(b"other"))


async def test_many_transactions_in_flight_keep_their_order(process: KeyProcess) -> None:
    one = await process.sign_transaction(TRANSACTION)
    many = await asyncio.gather(*(process.sign_transaction(TRANSACTION) for _ in range(50)))
    assert set(many) == {one}
    assert await process.sign_transactions([TRANSACTION] * 3) == [one] * 3


async def test_a_batch_with_a_refused_transaction_is_refused_whole(process: KeyProcess) -> None:
    foreign = Transaction(31337, 1, 2, 3, 21_000, b"\1" * 20, 0, b"")
    with pytest.raises(Refused, match="allow-list"):
        await process.sign_transactions([TRANSACTION, foreign])


async def test_a_killed_key_process_is_an_error(process: KeyProcess) -> None:
    os.kill(process.pid, signal.SIGKILL)
    await process._task  # its reader, which ends with the child
    with pytest.raises(SigningFailed):
        await process.sign_transaction(TRANSACTION)


async def test_a_bad_key_file_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "log.key").write_bytes(b"nonsense")
    with pytest.raises(ConfigError):
        await KeyProcess.start(checkpoint=CheckpointKey(tmp_path / "log.key", "log"))


async def test_a_process_without_the_key_refuses(tmp_path: Path) -> None:
    process = await KeyProcess.start(checkpoint=CheckpointKey(tmp_path / "log.key", "log"))
    assert process.address == b""
    with pytest.raises(Refused):
        await process.sign_transaction(TRANSACTION)
    await process.aclose()


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: canonical.encode({"op": "sign", "data": text})))
def test_any_request_is_answered_and_none_signs_bytes(request: bytes) -> None:
    assert set(KeyHolder(SetUp()).answer(request)) == {"error"}
