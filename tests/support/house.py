"""A whole fabric in a process of its own, on a folder of its own: started, killed, started again, ended, no trace left.

It is what ``cryptlet up`` runs; a test reaches it by its configuration, its gRPC door and its state folder alone.
"""

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fabric.client import Client
from fabric.gateway.endpoint import LOCAL_CALLER, Endpoint, read_api_key
from fabric.runtime.processes import Process, descendants
from registry.folder import FolderRegistry
from registry.publish import publish
from tests.support.projects import BAD, COLD_CHAIN, FINGERPRINT, PUBLISHER, built

if TYPE_CHECKING:
    from fabric.core.canonical import JsonObject
    from fabric.core.ids import InvocationId, Measurement

CRASH_VARIABLE: Final = "FABRIC_TEST_CRASH_AT"
START_SECONDS: Final = 300
"""A bound against hanging, on a machine that others use too."""
END_SECONDS: Final = 120
CALLERS: Final = ("alice", "bob")
_CONFIG: Final = """\
state = "{state}"
registry = "{registry}"

[publishers]
tests = "{publisher}"

[gateway]
listen = "127.0.0.1:0"

[gateway.callers]
{callers}

[runtime]
enclaves = {enclaves}

[ledgers.native]
kind = "native"

[ledgers.ethereum]
kind = "ethereum"
options = {{ finality = 2 }}
"""


class House:
    """One folder and the fabric on it.

    Attributes:
        folder: the folder.
        measurements: the published bundles by project folder.
        ready: what the fabric printed when it was ready.
        accepted: every invocation that a test had accepted here, where tests count the ledgers together.
    """

    def __init__(self, folder: Path, *, enclaves: int = 1) -> None:
        """Publishes the cryptlets of the tests and writes the configuration; ``start`` starts."""
        self.folder: Final = folder
        self.measurements: dict[Path, Measurement] = {}
        self.ready: JsonObject = {}
        self.accepted: set[InvocationId] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._handles: dict[int, int] = {}
        self._temporary: Final = folder / "tmp"
        self._temporary.mkdir()
        for project in (COLD_CHAIN, FINGERPRINT, BAD):
            wheel = built(project).wheel
            self.measurements[project], _ = publish(wheel, FolderRegistry(self.registry), PUBLISHER)
        callers = "\n".join(f'{name} = "{hashlib.sha256(api_key(name).encode()).hexdigest()}"' for name in CALLERS)
        self.config.write_text(
            _CONFIG.format(
                state=self.state,
                registry=self.registry,
                publisher=PUBLISHER.identity.hex(),
                callers=callers,
                enclaves=enclaves,
            )
        )

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def registry(self) -> Path:
        return self.folder / "registry"

    @property
    def config(self) -> Path:
        return self.folder / "cryptlet-fabric.toml"

    @property
    def log(self) -> Path:
        return self.folder / "fabric.log"

    @property
    def crash_file(self) -> Path:
        """Names the crash point at which the running fabric ends, once it is there."""
        return self.folder / "crash-at"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the fabric was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.read(self.state)

    def client(self, caller: str = LOCAL_CALLER) -> Client:
        """Returns a client in a caller's name; patient, since the machine may be slow."""
        key = read_api_key(self.state) if caller == LOCAL_CALLER else api_key(caller)
        return Client(self.endpoint.target, key, deadline_seconds=END_SECONDS)

    def start(self, crash_at: str | None = None) -> None:
        """Starts the fabric and returns when it is ready; by default it crashes where ``crash_file`` says."""
        self.spawn(crash_at)
        if not (line := self._first_line()):
            raise AssertionError(f"the fabric did not become ready (exit {self._wait()}):\n{self.tail()}")
        self.ready = json.loads(line)
        self._watch()

    def spawn(self, crash_at: str | None = None) -> None:
        """Starts the fabric and does not wait."""
        assert self._process is None, "a fabric runs here"
        self.crash_file.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CRYPTLET_")}
        environment |= {CRASH_VARIABLE: crash_at or f"@{self.crash_file}", "TMPDIR": str(self._temporary)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fabric.cli.main", "up", "--config", str(self.config), "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ends the fabric as an operator does; it must leave no process and no temporary file."""
        process = self._running()
        self._watch()
        held = set(self._held())
        process.send_signal(signal.SIGTERM)
        assert self._wait() == 0, f"it ended with {process.returncode}:\n{self.tail()}"
        assert not self.wait_ended(), f"it left {self.wait_ended()}:\n{self.tail()}"
        assert not [path for path in held if path.exists()]
        assert not list(self._temporary.iterdir())

    def kill(self, *, chain: bool = False) -> None:
        """Kills the fabric; the kernel ends what belongs to it, and the chain lives on unless it is killed too."""
        self._watch()
        self._running().kill()
        if chain and (node := self._chain()):
            signal.pidfd_send_signal(self._handles[node], signal.SIGKILL)
            select.select([self._handles[node]], [], [], END_SECONDS)
        self.wait_killed()

    def wait_killed(self) -> None:
        """Waits until the fabric was killed and all that belonged to it has ended."""
        assert self._wait() == -signal.SIGKILL, self.tail()
        if (chain := self._handles.pop(self._chain() or 0, None)) is not None:
            os.close(chain)
        assert not self.wait_ended(), f"it left {self.wait_ended()}"

    def wait_exit(self) -> int:
        """Waits until the fabric has ended by itself; returns its exit code."""
        return self._wait()

    def close(self) -> None:
        """Ends the fabric if it runs, and the chain; the folder then belongs to nobody."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        if (chain := self._chain()) is not None:
            handle = os.pidfd_open(chain)
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            self._handles[chain] = handle
        assert not self.wait_ended(), f"left behind: {self.wait_ended()}"

    def processes(self, word: str) -> list[Process]:
        """Returns the fabric's processes whose command line or name contains a word."""
        return [item for item in descendants(self.pid) if word in _command(item.pid)]

    def tail(self) -> str:
        """Returns the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def wait_ended(self) -> list[str]:
        """Waits until every process that was ever seen here has ended; returns those that have not."""
        left = []
        for pid, handle in list(self._handles.items()):
            if select.select([handle], [], [], END_SECONDS)[0]:
                os.close(self._handles.pop(pid))
            else:
                left.append(f"{pid} {_command(pid)}")
        return left

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the fabric was not started"
        assert self._process.poll() is None, f"the fabric has ended with {self._process.returncode}:\n{self.tail()}"
        return self._process

    def _wait(self) -> int:
        assert self._process is not None, "the fabric was not started"
        code = self._process.wait(END_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def _first_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], START_SECONDS)[0]:
            self._process.kill()
        return self._process.stdout.readline()

    def _watch(self) -> None:
        """Takes a handle of every process below the fabric, and of the chain, which is nobody's child."""
        pids = [item.pid for item in descendants(self.pid)]
        for pid in [*pids, *([] if (chain := self._chain()) is None else [chain])]:
            if pid not in self._handles:
                try:
                    self._handles[pid] = os.pidfd_open(pid)
                except ProcessLookupError:
                    continue

    def _chain(self) -> int | None:
        place = self.state / "ledgers/ethereum/process.json"
        pid = int(json.loads(place.read_text())["pid"]) if place.exists() else 0
        return pid if pid and str(self.state) in _command(pid) else None

    def _held(self) -> Iterator[Path]:
        """Yields the temporary and shared files that processes outside Ray's jail, which has its own, hold open."""
        for pid in (self.pid, *self._handles):
            try:
                if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):  # noqa: PTH115 - no path
                    continue
                links = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
            except OSError:  # it ended
                continue
            for link in links:
                if link.startswith(("/dev/shm/", "/tmp/")) and not link.startswith(str(self.folder)):  # noqa: S108
                    yield Path(link)


def api_key(caller: str) -> str:
    """Returns the API key of one of ``CALLERS``."""
    return f"the key of {caller}"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
