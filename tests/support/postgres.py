"""A real PostgreSQL server in a folder of its own: no package's cluster, no port but where a test asks for one."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, Self

import psycopg

ROOT: Final = Path(__file__).resolve().parents[2]
PORT: Final = 5432
"""Names the socket only, where there is no other."""
START_SECONDS: Final = 60
PAUSE_SECONDS: Final = 0.05
_SETTINGS: Final = {"shared_buffers": "16MB", "max_connections": "40", "log_min_messages": "log"}


class Server:
    """One server; it refuses to run as root, so that root runs it as somebody else.

    Attributes:
        folder: its data, its socket, its log.
        password: of its user ``fabric``; asked for on TCP, not on the socket.
        programs: folder of its programs.
    """

    def __init__(self, port: int = 0, password: str = "") -> None:
        """Makes the files of a new server, which listens on loopback too where a port is given; ``start`` starts it."""
        self.folder: Final = Path(tempfile.mkdtemp(prefix="cryptlet-pg-"))
        self.password: Final = password or secrets.token_hex(16)
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        user = _somebody()
        # Not `Popen(user=...)`, which forks for good: in a child with gRPC's threads gone, its fork handlers may crash.
        self._as_somebody = [] if user is None else ["setpriv", f"--reuid={user}", "--clear-groups"]
        self.programs = _programs()
        if user is not None:
            os.chown(self.folder, user, -1)
        hidden = self.folder / "password"
        hidden.write_text(self.password)
        if user is not None:
            os.chown(hidden, user, -1)
        subprocess.run(
            [
                *self._as_somebody,
                *(self.programs / "initdb", "--pgdata", self.folder / "data", "--username", "fabric", "--no-sync"),
                *("--auth-local", "trust", "--auth-host", "scram-sha-256", "--pwfile", hidden, "--encoding", "UTF8"),
                *("--locale", "C"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )

    def start(self, **settings: str) -> Self:
        """Starts it and returns when it takes connections."""
        settings = {
            **_SETTINGS,
            "unix_socket_directories": str(self.folder),
            "listen_addresses": "127.0.0.1" if self._port else "",
            "port": str(self._port or PORT),
        } | settings
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_somebody, self.programs / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self._wait()
        return self

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends it: SIGINT ends sessions first ("fast"), SIGQUIT leaves all to recovery ("immediate")."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(START_SECONDS)
        self._process = None

    def close(self) -> None:
        """Ends it if it runs, and removes the folder."""
        if self._process is not None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def make(self, name: str) -> str:
        """Makes an empty database and returns its URL over the socket."""
        with self.session() as session:
            session.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://fabric@/{name}?host={self.folder}&port={self._port or PORT}"

    def drop(self, name: str) -> None:
        """Removes a database with its sessions."""
        with self.session() as session:
            session.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _wait(self) -> None:
        """Returns when the server takes connections."""
        assert self._process is not None
        for _ in range(round(START_SECONDS / PAUSE_SECONDS)):
            try:
                self.session().close()
            except psycopg.OperationalError:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(PAUSE_SECONDS)
                    break
            else:
                return
        log = (self.folder / "log").read_text()
        raise AssertionError(f"PostgreSQL did not start (exit {self._process.returncode}):\n{log}")

    def session(self, name: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """Returns a session of another user of the database."""
        return psycopg.connect(
            host=str(self.folder), port=self._port or PORT, user="fabric", dbname=name, autocommit=True
        )


def _somebody() -> int | None:
    """Returns the user that runs the server in root's place: the package's own, else nobody."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return names.get("postgres", names["nobody"])


def _programs() -> Path:
    """Returns the folder of the server's programs, or fails with what to do."""
    found = subprocess.run(
        [sys.executable, ROOT / "deploy/devnets/postgresql.py", "--which"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return Path(found.stdout.strip())
