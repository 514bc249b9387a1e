"""Ray on this machine: started inside the jail, by the process that is also its driver.

Token authentication is always on. A Ray of this machine alone has a token that is made here, from fresh entropy, and
never leaves the jail: nobody outside needs it, because the gateway reaches the driver over the link. One of several
machines has the operator's (``fabric.runtime.member``).
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.runtime import processes
from fabric.runtime.member import Member, start_member

_DAEMONS: Final = ("gcs_server", "raylet")
_UNUSED: Final = ("start_api_server", "start_monitor", "start_log_monitor", "start_ray_client_server")
"""Parts of a Ray head that serve its dashboard, its autoscaler, a driver's terminal and drivers from afar (these on a
port that nobody named): 300 MB and 2 s of start."""


@dataclass(frozen=True)
class HeadConfig:
    """How Ray is started.

    Attributes:
        cpus: processor cores that Ray may give away.
        memory: bytes of memory that Ray may give away.
        object_store: bytes of the shared object store.
        folder: Ray's folder for sessions, logs and sockets; 40 characters at most.
        member: how it takes part in a Ray of several machines; None for one of this machine alone.
    """

    cpus: int
    memory: int
    object_store: int
    folder: str
    member: Member | None = None

    def to_json(self) -> JsonObject:
        """Returns the settings as a JSON object."""
        amounts: JsonObject = {"cpus": self.cpus, "memory": self.memory, "object_store": self.object_store}
        return {**amounts, "folder": self.folder, "member": None if self.member is None else self.member.to_json()}

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads settings; raises ``Malformed``."""
        value = canonical.decode_object(data)
        folder = value.get("folder")
        if set(value) != {"cpus", "folder", "member", "memory", "object_store"} or not isinstance(folder, str):
            raise Malformed("head", "expected cpus, folder, member, memory, object_store")
        cpus, memory, object_store = (_amount(value[name]) for name in ("cpus", "memory", "object_store"))
        member = None if value["member"] is None else Member.parse(value["member"])
        return cls(cpus, memory, object_store, folder, member)


def start_head(config: HeadConfig) -> str:
    """Starts Ray, with this process as its driver unless it only takes part in another's; returns Ray's version.

    Raises:
        RuntimeError: Ray's own, when it does not come up.
    """
    os.environ.update(_environment(config.member))
    import ray  # noqa: PLC0415 - it reads its environment when it is imported
    from ray._private.node import Node  # noqa: PLC0415 - as above

    for part in _UNUSED:
        # Ray has no switch for these. A version that names them otherwise starts them: slower, and nothing else.
        if hasattr(Node, part):
            setattr(Node, part, _nothing)
    if config.member is None:
        _start_alone(config)
    else:
        amounts = (config.cpus, config.memory, config.object_store)
        start_member(config.member, config.member.arguments(*amounts, config.folder))
    return str(ray.__version__)


def _start_alone(config: HeadConfig) -> None:
    import ray  # noqa: PLC0415 - see start_head

    ray.init(
        num_cpus=config.cpus,
        _memory=config.memory,
        object_store_memory=config.object_store,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        namespace="fabric",
        _temp_dir=config.folder,
        _node_ip_address="127.0.0.1",
    )


def daemons() -> Iterator[int]:
    """Yields handles (pidfds) of the processes below this one without which Ray does nothing, and waits for minutes."""
    for process in processes.descendants(os.getpid()):
        with contextlib.suppress(OSError):  # it has ended
            if Path(f"/proc/{process.pid}/comm").read_text().strip() in _DAEMONS:
                yield os.pidfd_open(process.pid)


def _environment(member: Member | None) -> dict[str, str]:
    return {
        # A head that is gone ends what hangs on it after so many seconds (60 by Ray's own): then it is joined anew.
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32) if member is None else member.token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "RAY_enable_metrics_collection": "0",
    }


def _nothing(*_: object, **__: object) -> None:
    """Stands for a part that is not started."""


def _amount(value: JsonValue) -> int:
    if type(value) is not int or value < 0:
        raise Malformed("head", "amounts are whole numbers")
    return value
