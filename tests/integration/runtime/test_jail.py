"""The walls alone, without Ray: what a command inside sees and may do."""

import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.enclave.sandbox import landlock
from fabric.runtime import fence, jail
from fabric.runtime.jail import Walls

pytestmark = pytest.mark.sandbox


@pytest.fixture
def walls(tmp_path: Path) -> Walls:
    for name in ("root", "session", "state/keys", "state/enclaves/1", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "state/keys/ledger").write_text("SECRET")
    (tmp_path / "state/enclaves/1/log").write_text("a log")
    (tmp_path / "other/file").write_text("other")
    return Walls(
        base=str(tmp_path / "root"),
        writable=str(tmp_path / "session"),
        # The worst case: someone shows the folder in which everything lies.
        shown=(*jail.own_code(), str(tmp_path)),
        hidden=(str(tmp_path / "state"),),
        reachable=(str(tmp_path / "state/enclaves"),),
        shared_memory=1 << 20,
    )


def inside(walls: Walls, code: str) -> tuple[int, str]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-P", "-m", "fabric.runtime.jail", walls.encode(), str(theirs.fileno())]
        done = subprocess.run(
            [*command, sys.executable, "-P", "-c", f"import os, json\n{code}"],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/tmp"},  # noqa: S108
            check=False,
            cwd="/",
        )
    return done.returncode, done.stdout + done.stderr


def value(walls: Walls, expression: str) -> object:
    status, output = inside(walls, f"print(json.dumps({expression}))")
    assert status == 0, output
    return json.loads(output)


def fails(walls: Walls, statement: str) -> str:
    code = f"try:\n    {statement}\nexcept OSError as error:\n    print(error.strerror)\nelse:\n    print('done')"
    return inside(walls, code)[1].strip()


def test_hidden_folders_are_empty_but_for_what_is_reachable(walls: Walls) -> None:
    state = walls.hidden[0]
    assert value(walls, f"os.listdir({state!r})") == ["enclaves"]
    assert value(walls, f"open({state + '/enclaves/1/log'!r}).read()") == "a log"


def test_no_path_leads_to_a_hidden_file(walls: Walls) -> None:
    walk = "top for root in ('/tmp', '/ray', '/etc', '/dev') for top in os.walk(root)"
    assert value(walls, f"[at for at, _, names in ({walk}) if 'ledger' in names]") == []


def test_only_what_is_shown_is_there(walls: Walls) -> None:
    assert value(walls, "sorted(os.listdir('/dev'))") == ["full", "null", "random", "shm", "urandom", "zero"]
    assert not set(value(walls, "os.listdir('/')")) & {"home", "run", "sys", "boot", "mnt", "var"}  # type: ignore[call-overload]
    assert "shadow" not in value(walls, "os.listdir('/etc')")  # type: ignore[operator]


def test_nothing_can_be_written_but_the_session_and_memory(walls: Walls) -> None:
    shown = Path(walls.shown[-1])
    for path in (shown / "other/file", "/usr/x", "/proc/sys/kernel/core_pattern", "/proc/self/comm", "/etc/passwd"):
        assert fails(walls, f"open({str(path)!r}, 'a')") == "Read-only file system"
    for path in ("/ray/x", "/tmp/x", "/dev/shm/x", "/dev/null"):  # noqa: S108 - inside
        assert fails(walls, f"open({path!r}, 'a')") == "done"
    assert (shown / "session/x").exists()


def test_there_are_no_other_processes_and_no_capabilities(walls: Walls) -> None:
    assert value(walls, "[name for name in os.listdir('/proc') if name.isdecimal()]") == ["1", "2"]
    status = value(walls, "open('/proc/self/status').read()")
    assert isinstance(status, str)
    assert [line.split()[1] for line in status.splitlines() if line.startswith("Cap")] == ["0" * 16] * 5
    assert "NoNewPrivs:\t1" in status


def test_no_namespace_gives_capabilities_back(walls: Walls) -> None:
    call = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)"
    for flag, error in ((0x10000000, "No space left on device"), (0x00020000, "Operation not permitted")):
        code = f"{call}\nassert libc.unshare({flag}) == -1\nprint(os.strerror(ctypes.get_errno()))"
        assert inside(walls, code)[1].strip() == error


def test_the_network_is_a_loopback_of_its_own(walls: Walls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = f"import socket; socket.create_connection({server.getsockname()!r})"
        assert fails(walls, connect) == "Connection refused"
    assert fails(walls, "import socket; socket.create_connection(('192.0.2.1', 80))") == "Network is unreachable"


def test_the_commands_end_is_the_jails_end(walls: Walls) -> None:
    assert inside(walls, "os._exit(7)")[0] == 7
    assert inside(walls, "os.fork() or os.execlp('sleep', 'sleep', '1000')")[0] == 0


def test_nothing_is_left_in_the_base_folder(walls: Walls) -> None:
    inside(walls, "open('/tmp/x', 'w')")
    assert list(Path(walls.base).iterdir()) == []


def test_a_wall_that_cannot_be_built_says_so(walls: Walls) -> None:
    Path(walls.base).rmdir()
    status, output = inside(walls, "print('inside')")
    assert status == jail.EXIT_NO_WALLS
    assert output.startswith("jail: ")
    assert "mount " in output
    assert "inside" not in output


def fenced(walls: Walls, first: int, last: int) -> Walls:
    return replace(walls, reach=(first, last), sockets=walls.reachable[0])


def test_behind_a_fence_only_the_clusters_ports_can_be_reached(walls: Walls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ours, theirs = one.getsockname()[1], other.getsockname()[1]
        connect = "import socket; socket.create_connection(('127.0.0.1', {}))"
        assert fails(fenced(walls, ours, ours), connect.format(ours)) == "done"
        assert fails(fenced(walls, ours, ours), connect.format(theirs)) == "Permission denied"


@pytest.mark.parametrize(
    "made",
    [
        "AF_INET, socket.SOCK_DGRAM",
        "AF_INET6, socket.SOCK_DGRAM",
        "AF_INET, socket.SOCK_RAW",
        "AF_VSOCK, 1",
        "AF_PACKET",
        # Landlock judges neither: each would connect to any port of any machine.
        "AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP",
        "AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_MPTCP",
        "AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP",
    ],
)
def test_behind_a_fence_there_are_no_sockets_but_tcp_and_local_ones(walls: Walls, made: str) -> None:
    statement = f"import socket; socket.socket(socket.{made})"
    assert fails(fenced(walls, 1, 1), statement) == "Operation not permitted"
    tcp = "AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP"
    for good in ("AF_INET, socket.SOCK_STREAM", "AF_INET6, socket.SOCK_STREAM", tcp, "AF_UNIX, socket.SOCK_DGRAM"):
        assert fails(fenced(walls, 1, 1), f"import socket; socket.socket(socket.{good})") == "done"


@pytest.mark.parametrize("send", ["sendto(b'x', {fast}, {to})", "sendmsg([b'x'], [], {fast}, {to})"])
def test_behind_a_fence_nothing_connects_by_sending(walls: Walls, send: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        to = server.getsockname()
        statement = "import socket; socket.socket()." + send.format(fast="socket.MSG_FASTOPEN", to=to)
        assert fails(fenced(walls, 1, 1), statement) == "Operation not permitted"
        # Also to a port that could be connected to: nobody but an attacker sends so.
        assert fails(fenced(walls, to[1], to[1]), statement) == "Operation not permitted"


def test_behind_a_fence_there_is_no_second_number_of_a_call(walls: Walls) -> None:
    call = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)"
    code = f"{call}\nassert libc.syscall(0x40000000 | 41, 2, 2, 0) == -1\nprint(os.strerror(ctypes.get_errno()))"
    assert inside(fenced(walls, 1, 1), code)[1].strip() == "Operation not permitted"


def test_behind_a_fence_nobodys_abstract_socket_can_be_reached(walls: Walls) -> None:
    with socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0cryptlet-test-fence")
        abstract.listen()
        connect = "import socket; socket.socket(socket.AF_UNIX).connect('\\0cryptlet-test-fence')"
        assert fails(fenced(walls, 1, 1), connect) == "Operation not permitted"


def test_the_other_walls_stand_behind_a_fence_too(walls: Walls) -> None:
    place = fenced(walls, 1, 1)
    assert value(place, "os.listdir('/enclaves')") == ["1"]
    assert fails(place, "open('/enclaves/1/log', 'a')") == "Read-only file system"
    assert value(place, "[name for name in os.listdir('/proc') if name.isdecimal()]") == ["1", "2"]
    status = value(place, "open('/proc/self/status').read()")
    assert isinstance(status, str)
    assert [line.split()[1] for line in status.splitlines() if line.startswith("Cap")] == ["0" * 16] * 5
    assert value(place, f"os.listdir({place.hidden[0]!r})") == ["enclaves"]


def test_a_fence_that_cannot_be_raised_is_no_jail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 5)
    with pytest.raises(OSError, match=r"Linux 6\.12 .* this is version 5"):
        fence.raise_fence((1, 1))
