"""Native code in a real container: an honest extension works, and a hostile one gets no further than Python does."""

import errno
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from fabric.bundles.build import build
from fabric.bundles.lock import Dependency, check_contents, take_wheels
from fabric.core.clock import FrozenClock
from fabric.core.errors import SandboxUnavailable
from fabric.core.ids import sha256
from fabric.core.model import Failure
from fabric.enclave.bundles import bundle_in
from fabric.enclave.containers import selftest
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Reply
from fabric.enclave.sandbox.attacks import ATTACKS
from fabric.enclave.sandbox.syscalls import machine
from tests.integration.sandbox.conftest import HERE, LIMITS
from tests.support.binaries import SOURCES, adder, binary_wheel, compiled, needs_compiler, write_binary
from tests.support.wheels import call, wheel

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), needs_compiler]

TENANT: Final = b"tenant"
REFUSALS: Final = {-errno.EPERM, -errno.ENOSYS, -errno.EACCES, -errno.EROFS, -errno.ENOENT}
ASKED: Final = call("add", b'{"left":2,"right":40}')
# Without a container each of these is answered otherwise, for every user. The kernel's own settings decide on the rest.
HARMLESS: Final = (
    "socket", "connect", "ptrace", "clone", "clone3", "memory file", "namespace", "lift a limit", "shared memory",
    "be dumpable", "make all memory executable", "entropy", "open outside", "open beyond the root",
    "map code of nothing", "map code to write", "map a file as code", "map its own library to write",
    "wake another container", "make its own code writable", "make what it wrote code",
)  # fmt: skip
WAYS: Final = (
    *HARMLESS, "kill everyone", "open a process handle", "read another's memory", "io_uring", "mount",
    "load a program into the kernel", "protection keys", "change root", "become root", "execute", "write a file",
    "write to its own library", "fork bomb",
)  # fmt: skip
OUTSIDE: Final = """
import json, sys
import native_hostile
print(json.dumps({name: native_hostile.WAYS[name]() for name in json.loads(sys.argv[1])}))
"""


def packed(folder: Path, source: str, entry: str, binary: bytes, measurement: bytes = b"n" * 32) -> Bundle:
    """Returns a bundle of one module and one binary wheel."""
    own = wheel(folder, {f"{entry.partition(':')[0]}.py": source}).read_bytes()
    path = folder / "files"
    path.write_bytes(own + binary)
    return Bundle(measurement, path, entry, (len(own), len(binary)), (1,))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compiled(tmp_path_factory.mktemp("library"), SOURCES / "hostile_native.c")


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory, library: bytes) -> Bundle:
    source = (HERE / "native_hostile.py").read_text()
    files = {"hostile_native.so": library}
    return packed(tmp_path_factory.mktemp("hostile"), source, "native_hostile:Native", binary_wheel(files))


async def asked(host: ContainerHost, bundle: Bundle, method: str, value: object) -> list[int]:
    """Returns what a hostile method saw; the container must have lived through it."""
    (reply,) = await host.run(bundle, TENANT, [call(method, json.dumps(value).encode())])
    assert reply.output is not None, reply.failure
    seen: list[int] = json.loads(reply.output)["seen"]
    return seen


async def test_an_extension_with_a_library_of_its_own_works(host: ContainerHost, tmp_path: Path) -> None:
    built = build(write_binary(tmp_path / "project", adder(tmp_path / "made")))
    path = tmp_path / "files"
    files = [built.wheel, *built.dependencies.values()]
    path.write_bytes(b"".join(files))
    bundle = bundle_in(path, built.bundle, files)
    assert bundle.unpacked == (1,)
    assert await host.run(bundle, TENANT, [ASKED]) == [Reply(b'{"sum":42}')]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """Returns a binary wheel as its authors published it: many platform names, and files that are executable."""
    folder = tmp_path_factory.mktemp("index")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q", "-d", str(folder)]
    done = subprocess.run([*command, "xxhash==4.1.0"], check=False, capture_output=True, timeout=90, text=True)
    if done.returncode:
        pytest.skip(f"no package index gave xxhash 4.1.0: {done.stderr.strip()[-200:]}")
    (found,) = folder.glob("xxhash-*.whl")
    return found.name, found.read_bytes()


async def test_a_wheel_from_the_index_works(host: ContainerHost, tmp_path: Path, published: tuple[str, bytes]) -> None:
    filename, data = published
    locked = [Dependency(name="xxhash", version="4.1.0", sha256=sha256(data).hex(), filename=filename)]
    check_contents(locked, take_wheels(locked, [data], "digests"))
    bundle = packed(tmp_path, (HERE / "digests.py").read_text(), "digests:Digests", data, b"x" * 32)
    (reply,) = await host.run(bundle, TENANT, [call("digest", b'{"text":"abc"}')])
    assert reply == Reply(b'{"text":"44bc2cf5ad770999"}')  # XXH64("abc") with seed 0


async def test_without_the_grant_no_library_is_loaded(host: ContainerHost, attacker: Bundle) -> None:
    """Were a binary wheel let through as a pure one, it would still be a file that cannot be mapped as code."""
    bundle = Bundle(b"u" * 32, attacker.wheel, attacker.entry, attacker.sizes)
    (reply,) = await host.run(bundle, TENANT, [call("attack", b'{"name":"socket"}')])
    assert reply.failure is not None
    assert "No module named 'hostile_native'" in reply.failure.message


@pytest.mark.parametrize("name", WAYS)
async def test_machine_code_is_refused_too(host: ContainerHost, attacker: Bundle, name: str) -> None:
    (answer,) = await asked(host, attacker, "attack", {"name": name})
    assert answer in REFUSALS, errno.errorcode.get(-answer, answer)


async def test_every_other_system_call_is_refused(host: ContainerHost, attacker: Bundle) -> None:
    known = [*machine().allowed(), *machine().guarded(), *machine().unfiltered()]
    assert await asked(host, attacker, "sweep", {"name": "", "known": known}) == []


async def test_memory_ends_at_the_limit(host: ContainerHost, attacker: Bundle) -> None:
    (got,) = await asked(host, attacker, "grow", {"name": "", "known": [LIMITS.memory_bytes]})
    assert 0 < got < LIMITS.memory_bytes


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has a second gate into the kernel")
async def test_the_gate_of_another_instruction_set_ends_the_container(host: ContainerHost, attacker: Bundle) -> None:
    (reply,) = await host.run(attacker, TENANT, [call("old_gate", b'{"name":""}')])
    assert reply.failure is not None
    assert reply.failure.code == "container-lost"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, library: bytes) -> dict[str, int]:
    """Returns what the harmless ones got in an ordinary process."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "hostile_native.so").write_bytes(library)
    (folder / "native_hostile.py").write_text((HERE / "native_hostile.py").read_text())
    run = subprocess.run(
        [sys.executable, "-c", OUTSIDE, json.dumps(HARMLESS)],
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    found: dict[str, int] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("name", HARMLESS)
async def test_the_same_machine_code_gets_through_where_nothing_stops_it(outside: dict[str, int], name: str) -> None:
    assert outside[name] not in REFUSALS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(host: ContainerHost, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Returns what each attack of the self-test got in a container that may load native code."""
    assert host._zygote is not None
    with selftest.bait(tmp_path_factory.mktemp("bait"), host._limits) as given:
        return await selftest.attack(host._zygote, given, host._limits, native=True)


@pytest.mark.parametrize("name", [*ATTACKS, "seen from outside"])
async def test_the_whole_self_test_holds_there(seen: dict[str, str | None], name: str) -> None:
    assert seen[name] is None


async def test_no_native_code_runs_where_its_self_test_fails(
    tmp_path: Path, attacker: Bundle, plain: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not attacked again for each such call, while others wait; after a while it is."""
    holes = ["a second hole", "a hole"]

    async def failing(*_: object, native: bool) -> None:
        assert native
        raise SandboxUnavailable(holes.pop())

    clock = FrozenClock()
    host = await ContainerHost.start(tmp_path, LIMITS, clock)
    try:
        monkeypatch.setattr(selftest, "check", failing)
        for hole in ("a hole", "a hole", "a second hole"):
            (reply,) = await host.run(attacker, TENANT, [call("attack", b'{"name":"socket"}')])
            assert reply.failure == Failure("sandbox", f"native code is not run here: {hole}")
            (reply,) = await host.run(plain, TENANT, [call("double")])
            assert reply.failure is None
            clock.advance(30)
        monkeypatch.undo()
        clock.advance(60)
        (reply,) = await host.run(attacker, TENANT, [call("attack", b'{"name":"socket"}')])
        assert reply.failure is None
    finally:
        await host.aclose()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../evil.py": b""}, "no plain name"),
        ({"/evil.py": b""}, "no plain name"),
        ({"a/./b.py": b""}, "no plain name"),
        ({"hostile_native.so": b"\x7fELF" + bytes(100)}, "no 64-bit ELF file"),
        ({"more.bin": bytes(65 << 20)}, "No space left"),
    ],
)
async def test_what_is_not_taken_is_not_unpacked(
    host: ContainerHost, tmp_path: Path, library: bytes, files: dict[str, bytes], reason: str
) -> None:
    """The shelf refuses such wheels; a container refuses them again, before anything of them is loaded."""
    source = (HERE / "native_hostile.py").read_text()
    binary = binary_wheel({"hostile_native.so": library, **files})
    bundle = packed(tmp_path, source, "native_hostile:Native", binary, reason.encode().ljust(32)[:32] + b"!")
    (reply,) = await host.run(bundle, TENANT, [call("attack", b'{"name":"socket"}')])
    assert reply.failure is not None
    assert reason in reply.failure.message
