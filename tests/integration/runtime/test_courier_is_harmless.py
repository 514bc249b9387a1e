"""What somebody gets who runs code of his choice in Ray: in the driver, in a courier, in a task.

The walls, the courier and the enclave are the real ones; only the driver is replaced, by ``hostile.py``. The gateway is
a process with a secret in its environment; like the real one it is no better guarded than any other of this user.
"""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fabric.core import canonical
from fabric.core.model import Failure
from fabric.runtime import cluster, jail, processes
from fabric.runtime.inspection import inspect
from fabric.trust.schemes import ED25519, is_ed25519
from fabric.wire.codec import (
    Describe,
    Description,
    Evidence,
    Load,
    Loaded,
    MakeEvidence,
    Run,
    RunResult,
    decode_reply,
    encode_request,
)
from tests.integration.runtime.parts import LEDGER, State, binding, bundle, enclave, expected, invocation

pytestmark = [pytest.mark.ray, pytest.mark.sandbox]
HOSTILE = Path(__file__).with_name("hostile.py")
PLACES = ("driver", "courier", "task")
GONE = ("No such file or directory", "No such process")
CALLS = tuple(map(invocation, range(3)))
REQUESTS = (
    encode_request(Describe()),
    encode_request(Load(bundle().wheel, bundle().publication)),
    # What the enclave runs for whoever asks: a cryptlet that is published, under a binding, as it is.
    encode_request(Run(binding().document, CALLS)),
    # What it must not sign: bytes; a binding to another ledger; a bundle that nobody signed; another caller.
    b"\xff" * 160,
    encode_request(Run(binding().document.replace(LEDGER.id.hex().encode(), b"ab" * 32), CALLS)),
    encode_request(Load(bundle().wheel + b"\0", bundle().publication)),
    encode_request(Run(binding().document, (replace(CALLS[0], caller=type(CALLS[0].caller)(bytes(32))),))),
    encode_request(Run(b"{}", CALLS)),
    encode_request(MakeEvidence(b"header of a batch that never was"[:32])),
)


@dataclass
class Theft:
    """What came of it.

    Attributes:
        loot: the notes of ``hostile.py``.
        secrets: bytes that must be in none of them, by name.
        description: who the enclave is, from its launcher.
    """

    loot: dict[str, Any]
    secrets: dict[str, bytes]
    description: Description


@pytest.fixture(scope="module")
def theft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theft]:
    canary = secrets.token_hex(32)
    wait = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(wait, env={"CRYPTLET_CANARY": canary}) as gateway:
        try:
            yield asyncio.run(steal(State(tmp_path_factory.mktemp("s")).make(), canary, gateway.pid))
        finally:
            gateway.kill()


async def steal(state: State, canary: str, gateway: int) -> Theft:
    (state.keys / "ledger").write_text(secrets.token_hex(32) + "\n")
    async with enclave(state, "victim") as (process, handle):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind("\0" + canary[:16])
            abstract.listen()
            guardian = process.spawned.process.pid
            target = {
                "socket": str(handle.socket),
                "files": [str(path) for path in (*state.keys.iterdir(), state.folder / "fabric.db")],
                "search": ["/ray", "/tmp/ray", "/etc", "/dev", str(state.folder)],  # noqa: S108 - inside
                "pids": [gateway, guardian, *(child.pid for child in processes.descendants(guardian))],
                "hidden": str(state.folder),
                "disk": disk(),
                "code": str(Path(jail.__file__)),
                "port": server.getsockname()[1],
                "abstract": canary[:16],
                "frames": [request.hex() for request in REQUESTS],
            }
            loot = await rob(state, target)
            loot["control"] = await look_around({**target, "search": [str(state.folder)], "reads_only": True})
        known = {
            "the gateway's environment": canary.encode(),
            **{f"key file {path.name}": path.read_bytes().strip() for path in state.keys.iterdir()},
        }
        return Theft(loot, known, handle.description)


async def look_around(target: dict[str, Any]) -> dict[str, Any]:
    """Runs the search alone, as another process of this user without walls."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HOSTILE), json.dumps(target)), env={}, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    notes: dict[str, Any] = json.loads(output)
    return notes


async def rob(state: State, target: dict[str, Any]) -> dict[str, Any]:
    """Runs ``hostile.py`` inside the walls of ``Cluster``."""
    config = replace(state.cluster(), shown=(HOSTILE,))
    cluster._prepare(config.folder, jailed=True)
    session = config.folder / "session"
    (session / "target.json").write_text(json.dumps(target))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        descriptor = str(theirs.fileno())
        python = [sys.executable, "-P"]
        process = await asyncio.create_subprocess_exec(
            *[*python, "-m", "fabric.runtime.jail", cluster._walls(config).encode(), descriptor],
            *[*python, str(HOSTILE)],
            env=dict(cluster._ENVIRONMENT),
            cwd="/",
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    loot: dict[str, Any] = json.loads((session / "loot.json").read_text())
    return loot


def disk() -> tuple[int, int]:
    """The disk under the state folder, which root could read raw."""
    number = HOSTILE.stat().st_dev
    return os.major(number), os.minor(number)


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_in_anything_that_was_found(theft: Theft, place: str) -> None:
    notes = theft.loot[place]
    text = json.dumps(notes).encode()
    raw = b"\n".join(bytes.fromhex(notes[name]) for name in ("objects", "environments", "files"))
    assert raw.count(b"RAY_AUTH_TOKEN") > 0  # the search itself works
    for name, secret in theft.secrets.items():
        assert len(secret) >= 32
        found = [form for form in (secret, secret.hex().encode(), bytes.fromhex(secret.decode())) if form in raw + text]
        assert not found, name


@pytest.mark.parametrize("place", PLACES)
def test_key_files_are_not_there(theft: Theft, place: str) -> None:
    keys = theft.loot[place]["keys"]
    assert len(keys) == 3
    assert all("No such file or directory" in note for note in keys.values())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attack", ["memory", "descriptors", "ptrace", "signals"])
def test_processes_outside_cannot_be_touched(theft: Theft, place: str, attack: str) -> None:
    notes = theft.loot[place][attack]
    assert len(notes) >= 5
    inside = theft.loot[place]["inside"]  # such a number names another process there
    for pid, note in notes.items():
        assert pid in inside or any(reason in note for reason in GONE), (pid, note)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("attack", "refusal"),
    [
        ("namespace", "No space left on device"),
        ("uncover", "Operation not permitted"),
        ("disk", "Operation not permitted"),
        ("core", "Read-only file system"),
        ("code", "Read-only file system"),
        ("gateway", "Connection refused"),
        ("abstract", "Connection refused"),
    ],
)
def test_there_is_no_way_out(theft: Theft, place: str, attack: str, refusal: str) -> None:
    assert refusal in theft.loot[place][attack]


def test_the_courier_knows_nothing_of_keys(theft: Theft) -> None:
    modules = theft.loot["courier"]["modules"]
    assert [name for name in modules if name.startswith("fabric")] == [
        "fabric",
        "fabric.runtime",
        "fabric.runtime.courier",
    ]


def test_ray_answers_nobody_without_the_token(theft: Theft) -> None:
    assert theft.loot["strangers"] == {
        "none": "StatusCode.UNAUTHENTICATED",
        "wrong": "StatusCode.UNAUTHENTICATED",
        "right": "ok",
    }


def test_the_enclave_signs_only_what_truly_ran(theft: Theft) -> None:
    answers = [decode_reply(bytes.fromhex(answer)) for answer in theft.loot["asked"]]
    description, loaded, ran, *others, evidence = answers
    assert description == theft.description
    assert isinstance(loaded, Loaded)
    # It ran, and what is signed is what the cryptlet says of these inputs.
    assert isinstance(ran, RunResult)
    assert [item.output for item in ran.outcomes] == [expected(number) for number in range(3)]
    inspect(Run(binding().document, CALLS), ran, theft.description.keys)
    for answer in others:
        if isinstance(answer, RunResult):
            assert answer.batches == ()
            assert all(item.failure is not None for item in answer.outcomes)
        else:
            assert isinstance(answer, Failure)
    # Evidence is signed over a hash with a domain of its own, so it is no signature of a header or a record.
    assert isinstance(evidence, Evidence)
    signed = canonical.decode_object(evidence.document)
    batch = ran.batches[0]
    for name in ("possession", "signature"):
        for value in _signatures(signed.get(name)):
            assert not is_ed25519(theft.description.keys.ed25519, value, batch.header.encoded)
            assert not is_ed25519(theft.description.keys.ed25519, value, REQUESTS[-1])
    assert ED25519 in {item.scheme for item in batch.signatures}


def _signatures(value: object) -> list[bytes]:
    if isinstance(value, dict):
        return [found for part in value.values() for found in _signatures(part)]
    try:
        return [bytes.fromhex(value)] if isinstance(value, str) else []
    except ValueError:
        return []


def test_the_same_search_outside_the_walls_finds_the_secrets(theft: Theft) -> None:
    notes = theft.loot["control"]
    raw = b"\n".join(bytes.fromhex(notes[name]) for name in ("environments", "files"))
    for name, secret in theft.secrets.items():
        assert secret in raw, name
