"""The services of a compose file as plain processes: the same commands, files and addresses, without an engine.

What an engine would do is done by rewriting the words of a command: the targets of volumes, secrets and configs become
folders of the test, the network's addresses become loopback ones, ports become free ones, and a service of another
image becomes the program of this machine. The file itself stays the one source of what is run.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from adapters.ethereum.anvil import find_anvil
from fabric.runtime.processes import Process, descendants
from tests.support.postgres import Server

HEALTHY_SECONDS: Final = 240
"""A bound against hanging, on a machine that others use too."""
END_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.1
_NETWORK: Final = "10.77.0."
_LOOPBACK: Final = "127.77.0."
_LISTEN: Final = "0A"
_PORT: Final = re.compile(r"(?<![\d.])(\d{4,5})(?![\d.])")
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")


class Composed:
    """One folder and the services of a compose file in it.

    Attributes:
        folder: the folder.
    """

    def __init__(self, source: Path, folder: Path, ranges: Iterable[tuple[int, int]]) -> None:
        """Copies the compose folder, makes its secrets by its own script, and finds free ports for the ranges."""
        self.folder: Final = folder
        self._source = folder / "compose"
        shutil.copytree(source, self._source)
        environment = {"PATH": os.environ["PATH"], "CRYPTLET_USER": f"{os.getuid()}:{os.getgid()}"}
        subprocess.run([self._source / "secrets.sh"], check=True, env=environment)
        self._ports = _free_ports(ranges)
        document: dict[str, Any] = yaml.safe_load((self._source / "compose.yaml").read_text())
        self._document = document
        self.variables: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._server: Server | None = None
        self._seen: dict[int, int] = {}
        (folder / "tmp").mkdir()

    @property
    def services(self) -> dict[str, Any]:
        services: dict[str, Any] = self._document["services"]
        return services

    def volume(self, name: str) -> Path:
        """Returns the folder of a named volume."""
        assert name in self._document["volumes"]
        path = self.folder / "volumes" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def run(self, service: str, *command: str) -> str:
        """Runs another command in a service's place, as ``compose run`` does; returns what it prints."""
        done = subprocess.run(
            self._command(service, command),
            check=True,
            capture_output=True,
            text=True,
            env=self._environment(service),
            cwd=self.folder,
        )
        return done.stdout.strip()

    def start(self, *services: str) -> None:
        """Starts services and returns when each says that it is healthy."""
        for service in services:
            if self.services[service]["image"].startswith("postgres"):
                self._start_server(service)
            else:
                self._spawn(service)
        for service in services:
            self._wait_healthy(service)

    def kill(self, service: str) -> None:
        """Kills a service's first process, and waits until all that belonged to it has ended."""
        process = self._processes.pop(service)
        below = [os.pidfd_open(item.pid) for item in descendants(process.pid)]
        process.kill()
        process.wait()
        _wait_ended(below)

    def processes(self, service: str, word: str) -> list[Process]:
        """Returns a service's processes whose command line holds a word."""
        below = descendants(self._processes[service].pid)
        return [item for item in below if word in Path(f"/proc/{item.pid}/cmdline").read_text(errors="replace")]

    def listening(self, service: str) -> set[int]:
        """Returns the TCP ports of the compose file on which a service's processes listen, other ones as they are."""
        pids = [self._processes[service].pid, *(item.pid for item in descendants(self._processes[service].pid))]
        sockets = {link for pid in pids for link in _descriptors(pid)}
        original = {mapped: port for port, mapped in self._ports.items()}
        found = set()
        lines = [line for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()]
        for line in map(str.split, lines):
            if line[3] == _LISTEN and f"socket:[{line[9]}]" in sockets:
                port = int(line[1].rpartition(":")[2], 16)
                found.add(original.get(port, port))
        return found

    def restart_store(self) -> None:
        """Kills the database's server as a loss of power would, and starts it again."""
        assert self._server is not None
        self._server.stop(signal.SIGQUIT)
        self._server.start(listen_addresses=self._rewrite("", f"{_NETWORK}5"))

    def close(self) -> None:
        """Ends every service, the last one first; nothing may be left."""
        left: list[Process] = []
        for service in reversed(list(self._processes)):
            process = self._processes.pop(service)
            left += descendants(process.pid)
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{service} did not end:\n{self.tail(service)}") from None
        if self._server is not None:
            self._server.close()
        assert not [item for item in left if item.is_running()]
        assert not list((self.folder / "tmp").iterdir())

    def told_secrets(self) -> list[str]:
        """Returns what names a secret that it should not: logs, and command lines and environments of processes."""
        secrets = [path.read_text().strip().rpartition(":")[2] for path in (self._source / "secrets").iterdir()]
        told = {str(path): path.read_text(errors="replace") for path in self.folder.glob("*.log")}
        for service, process in self._processes.items():
            for name in ("cmdline", "environ"):
                told[f"{service}: {name}"] = Path(f"/proc/{process.pid}/{name}").read_text(errors="replace")
        return [place for place, text in told.items() if any(secret in text for secret in secrets)]

    def tail(self, service: str) -> str:
        return "\n".join(self.log(service).read_text(errors="replace").splitlines()[-30:])

    def rewritten(self, text: str) -> str:
        """Returns a text with the network's addresses and ports as they are here."""
        text = text.replace(_NETWORK, _LOOPBACK)
        return _PORT.sub(lambda match: str(self._ports.get(int(match[1]), int(match[1]))), text)

    def _spawn(self, service: str) -> None:
        with self.log(service).open("ab") as log:
            self._processes[service] = subprocess.Popen(
                self._command(service, self.services[service]["command"]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(service),
                cwd=self.folder,
                start_new_session=True,
            )

    def _start_server(self, service: str) -> None:
        variables = self.services[service]["environment"]
        password = Path(self._rewrite(service, variables["POSTGRES_PASSWORD_FILE"])).read_text()
        assert variables["POSTGRES_USER"] == "fabric"
        self._server = Server(self._ports[5432], password)
        self._server.start(listen_addresses=self._rewrite(service, f"{_NETWORK}5"))
        self._server.make(variables["POSTGRES_DB"])

    def _wait_healthy(self, service: str) -> None:
        kind, *command = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        test = self._command(service, command)
        for _ in range(round(HEALTHY_SECONDS / _POLL_SECONDS)):
            if subprocess.run(test, check=False, capture_output=True).returncode == 0:
                return
            process = self._processes.get(service)
            if process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
                    break
        raise AssertionError(f"{service} is not healthy:\n{self.tail(service)}")

    def _command(self, service: str, words: Iterable[str]) -> list[str]:
        first, *rest = words
        programs = {
            "cryptlet": [sys.executable, "-m", "fabric.cli.main"],
            "anvil": [str(find_anvil())],
            "pg_isready": [str(self._server.programs / "pg_isready")] if self._server else [],
        }
        return [*programs.get(first, [first]), *(self._rewrite(service, word) for word in rest)]

    def _environment(self, service: str) -> dict[str, str]:
        own = self.services[service].get("environment", {})
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            **{name: self._interpolated(str(value)) for name, value in own.items()},
        }

    def _interpolated(self, text: str) -> str:
        return _VARIABLE.sub(lambda match: self.variables[match[1]], text)

    def _rewrite(self, service: str, word: str) -> str:
        moved = _moved(word, self._mounts(service))
        return moved if moved != word else self.rewritten(word)

    def _mounts(self, service: str) -> Mapping[str, Path]:
        """Returns what a service sees at which path, and where that is here."""
        own = self.services.get(service, {})
        mounts: dict[str, Path] = {}
        for text in own.get("volumes", []):
            name, target = text.split(":")[:2]
            mounts[target] = self.volume(name)
        for name in own.get("secrets", []):
            mounts[f"/run/secrets/{name}"] = self._file("secrets", name)
        for entry in own.get("configs", []):
            mounts[entry["target"]] = self._config(service, entry["source"], mounts)
        return mounts

    def _file(self, kind: str, name: str) -> Path:
        return self._source / str(self._document[kind][name]["file"])

    def _config(self, service: str, name: str, mounts: Mapping[str, Path]) -> Path:
        """Returns a config file as the service would read it here."""
        text = self.rewritten(self._file("configs", name).read_text())
        place = self.folder / f"{service}.{name}"
        place.write_text(_moved(text, mounts))
        return place


def _moved(text: str, mounts: Mapping[str, Path]) -> str:
    """Returns a text whose paths at and below mount targets are those of this machine."""
    if not mounts:
        return text
    targets = "|".join(re.escape(target) for target in sorted(mounts, key=len, reverse=True))
    return re.sub(rf"(?<![\w/.-])({targets})(?![\w.-])", lambda match: str(mounts[match[1]]), text)


def _free_ports(ranges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Returns a free port for each port of some ranges; those of a range stay side by side."""
    found: dict[int, int] = {}
    start = 20_000 + os.getpid() % 8_000
    for first, last in ranges:
        count = last - first + 1
        while not all(_is_free(port) for port in range(start, start + count)):
            start += count
        found |= {first + at: start + at for at in range(count)}
        start += count
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as handle:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            handle.bind(("0.0.0.0", port))  # noqa: S104 - Ray listens there too
        except OSError:
            return False
    return True


def _descriptors(pid: int) -> list[str]:
    try:
        return [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # it ended, or hides them: what holds keys listens on no port
        return []


def _wait_ended(handles: Iterable[int]) -> None:
    for handle in handles:
        assert select.select([handle], [], [], END_SECONDS)[0], "a process outlived its service"
        os.close(handle)
