"""The process that reads a binary wheel's archive, taken over: whatever it does costs its own container alone."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import pytest

from fabric.core.clock import SystemClock
from fabric.core.model import Failure
from fabric.enclave.containers import zygote
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Reply
from tests.integration.sandbox.conftest import LIMITS
from tests.integration.sandbox.test_processes import gone, is_alive, is_filtered, locked
from tests.support.wheels import call, until, wheel

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

PROGRAM: Final = """
import sys
from fabric.enclave.sandbox import unpack, zygote

def file(name, size=0, content=b""):
    unpack._put(unpack._ENTRY.pack(len(name), size) + name + content)

def taken_over(data):
    {does}

unpack._send_all = taken_over
zygote.main(sys.argv)
"""
# what the process does: what is said of it
HOSTILE: Final = {
    "any(iter(int, 1))": "not loaded within",
    "unpack._put(bytes(6)); any(iter(int, 1))": "not loaded within",
    "file(b'a', 0xFFFFFFFF); [unpack._put(bytes(1 << 20)) for _ in iter(int, 1)]": "No space left",
    "[file(b'f%d' % n) for n in range(1 << 20)]": "No space left",
    "[file(b'd%d/' % n + b'd/' * 900 + b'f') for n in range(1 << 20)]": "No space left",
    "file(b'a/' * 32000 + b'b')": "recursion",
    "file(b'a' * 300)": "too long",
    "file(b'a'); file(b'a')": "File exists",
    "file(b'a'); file(b'a/b')": "File exists",
    "file(b'a/b'); file(b'a')": "File exists",
    "file(b'../../bundle.whl')": "no plain name",
    "file(b'/app/bundle.whl')": "no plain name",
    "file(b'a//b')": "no plain name",
    "file(b'a\\0b')": "no plain name",
    "file(b'a', 10, b'short')": "ended before its end",
    "unpack._put(b'x')": "ended before its end",
    "unpack._put(unpack._ENTRY.pack(0xFFFF, 0xFFFFFFFF))": "ended before its end",
    "pass": "ended before its end",
}


@pytest.mark.parametrize("does", HOSTILE)
async def test_a_reader_that_was_taken_over_costs_its_own_container_alone(
    tmp_path: Path, plain: Bundle, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    monkeypatch.setattr(zygote, "_COMMAND", (sys.executable, "-sPB", "-c", PROGRAM.replace("{does}", does)))
    own = wheel(tmp_path, {"any.py": "raise SystemExit"})
    size = own.stat().st_size
    bundle = Bundle(b"b" * 32, own, "any:Any", (size,), (0,))
    host = await ContainerHost.start(tmp_path / "host", LIMITS, SystemClock())
    try:
        await host._running_zygote(native=True)
        await until(lambda: not locked(host))
        hostile = asyncio.ensure_future(host.run(bundle, b"t", [call("any")]))
        for tenant in (b"a", b"b"):
            assert await host.run(plain, tenant, [call("double", b'{"n":3}')]) == [Reply(b'{"n":6}')]
        (reply,) = await hostile
        assert isinstance(reply.failure, Failure)
        assert HOSTILE[does] in reply.failure.message
        warm = {place.container.pid for place in host._places.values() if place.container is not None}
        await gone([pid for pid in locked(host) if pid not in warm])
        assert all(is_alive(pid) and is_filtered(pid) for pid in warm)
        assert len(warm) == 2
    finally:
        await host.aclose()
