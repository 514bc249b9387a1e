"""The appraiser's process over its socket: keys of its own, refusals that arrive, garbage that harms nobody."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.attesters.appraiser.client import AppraiserClient, AppraiserProcess, launch_appraiser
from fabric.attesters.appraiser.files import AppraiserFolder
from fabric.core import canonical
from fabric.core.errors import AttestationFailed, ConfigError, PlatformError
from fabric.trust.attestation import KeyState, KeyStatus
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import is_valid
from fabric.wire.frames import read_frame
from fabric.wire.local import Line
from tests.support.enclaves import CODE, NATIVE, PAIR, evidence
from tests.support.endings import Ending
from tests.unit.attesters.test_appraiser import POLICY


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[AppraiserProcess]:
    folder = AppraiserFolder.prepare(tmp_path / "a")
    folder.write_policy(POLICY)
    process = await launch_appraiser(folder.path)
    yield process
    await process.aclose()


async def get_evidence(nonce: bytes) -> bytes:
    """Plays the enclave."""
    return evidence(nonce)


async def test_an_enclave_is_appraised(running: AppraiserProcess) -> None:
    async with running.client() as client:
        found = await client.appraise(get_evidence, [NATIVE.id])
        assert await client.describe() == running.keys
    assert found.result.keys == PAIR.keys
    assert [item.key for item in found.signatures] == [running.keys.ed25519, running.keys.address]
    assert is_valid(found.signatures[0], found.result.encoded, lambda: found.result.typed_digest)


async def test_a_refusal_names_the_line(running: AppraiserProcess) -> None:
    async def lie(nonce: bytes) -> bytes:
        return evidence(nonce, isolation="microvm")

    async with running.client() as client:
        with pytest.raises(AttestationFailed, match="policy line isolation"):
            await client.appraise(lie, [NATIVE.id])


async def test_evidence_for_another_nonce_is_refused(running: AppraiserProcess) -> None:
    seen: list[bytes] = []

    async def replay(nonce: bytes) -> bytes:
        seen.append(nonce)
        return evidence(seen[0])

    async with running.client() as client:
        await client.appraise(replay, [NATIVE.id])
        with pytest.raises(AttestationFailed, match="another nonce"):
            await client.appraise(replay, [NATIVE.id])


async def test_a_key_state_is_signed(running: AppraiserProcess) -> None:
    status = KeyStatus(PAIR.keys, KeyState.REVOKED, 0)
    async with running.client() as client:
        signatures = await client.sign_key_status(status)
    assert all(is_valid(item, status.encoded, lambda: status.typed_digest) for item in signatures)


async def test_a_code_revocation_is_signed(running: AppraiserProcess) -> None:
    revocation = CodeRevocation(CODE, 7)
    async with running.client() as client:
        signatures = await client.sign_code_revocation(revocation)
    assert [item.key for item in signatures] == [running.keys.ed25519, running.keys.address]
    assert all(is_valid(item, revocation.encoded, lambda: revocation.typed_digest) for item in signatures)


async def test_garbage_is_answered_and_the_next_is_served(running: AppraiserProcess) -> None:
    async with Line(running.folder.socket, 1 << 16) as line:
        for data in (b"", b"\xff" * 100, b"{}", canonical.encode({"op": "sign", "data": "00"})):
            assert "error" in canonical.decode_object(await line.ask(data))
        assert "ok" in canonical.decode_object(await line.ask(canonical.encode({"op": "describe"})))


async def test_an_announced_oversize_frame_ends_the_connection(running: AppraiserProcess) -> None:
    reader, writer = await asyncio.open_unix_connection(running.folder.socket)
    writer.write(b"\xff\xff\xff\xff")
    reply = await read_frame(reader, 1 << 16)
    assert reply is not None
    assert "at most" in reply.decode()
    assert await reader.read() == b""
    writer.close()


async def test_keys_are_the_files_own_and_private(running: AppraiserProcess) -> None:
    folder = running.folder
    assert await folder.create_keys() == running.keys
    for path in (folder.ed25519, folder.secp256k1, folder.socket, folder.log):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_new_policy_holds_after_a_restart_with_the_same_keys(running: AppraiserProcess) -> None:
    await running.aclose()
    running.folder.write_policy(replace(POLICY, destinations=frozenset()))
    again = await launch_appraiser(running.folder.path)
    async with again.client() as client:
        with pytest.raises(AttestationFailed, match="policy line destinations"):
            await client.appraise(get_evidence, [NATIVE.id])
    assert again.keys == running.keys
    await again.aclose()


async def test_a_missing_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="appraisal policy"):
        await launch_appraiser(tmp_path / "a")


async def test_nobody_at_the_socket_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformError):
        await AppraiserClient(tmp_path / "sock").describe()


async def test_the_appraiser_ends_with_its_guardian(running: AppraiserProcess) -> None:
    ending = Ending(running.pid)
    os.kill(running.spawned.process.pid, signal.SIGKILL)
    assert await asyncio.to_thread(ending.wait)


async def test_the_appraiser_cannot_be_read_by_its_siblings(running: AppraiserProcess) -> None:
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", "import sys; open(sys.argv[1], 'rb')"]
    done = await asyncio.to_thread(
        subprocess.run, [*command, f"/proc/{running.pid}/mem"], capture_output=True, check=False, text=True
    )
    if "unshare" in done.stderr:
        pytest.skip(f"no user namespace to be had: {done.stderr}")
    assert "PermissionError" in done.stderr
