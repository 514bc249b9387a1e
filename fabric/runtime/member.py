"""Member: this machine's part of a Ray of several machines, started inside the jail.

Three kinds: the head, which the others join; a node, which offers its enclaves; and the gateway's, which offers no
processor and is where the driver runs, since a driver needs Ray on its own machine. All of them are told the same
token: nobody without it is answered.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import ConfigError, Malformed
from fabric.runtime.courier import FOLDER_VARIABLE
from fabric.trust.fields import read_integer, read_list, read_object, read_text

NODE_LABEL: Final = "cryptlet-node"
"""Ray's label by which couriers find the machine of their enclave."""
FEWEST_PORTS: Final = 32
_FIRST_WORKER: Final = 10
_MAX_PORT: Final = 65_535
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_HEAD: Final = re.compile(r"[^\s:]+:\d{1,5}")
_SHORTEST_TOKEN: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_NAMES: Final = frozenset({"address", "drives", "head", "name", "ports", "reach", "sockets", "token"})
# Behind the range's first port, which is the head's own.
_PORTS: Final = (
    "--node-manager-port",
    "--object-manager-port",
    "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
)
Ports = tuple[int, int]
"""First and last port of a range."""


@dataclass(frozen=True)
class Member:
    """How one machine takes part.

    Attributes:
        name: of the node, as couriers and the configuration call it.
        address: its own, by which the others reach it.
        ports: where its parts of Ray listen.
        reach: ports of all members; inside the jail no other can be connected to.
        token: of the cluster.
        head: ``address:port`` of the head; empty where this is the head.
        drives: whether the gateway's driver runs here.
        sockets: folder of the enclaves as couriers see it.
    """

    name: str
    address: str
    ports: Ports
    reach: Ports
    token: str = field(repr=False)
    head: str = ""
    drives: bool = False
    sockets: str = ""

    def __post_init__(self) -> None:
        """Refuses a name that is no label, a head that is no address, ranges that do not fit: ``ConfigError``."""
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"node {self.name!r}: a name has letters, digits, _ . and -, 63 at most")
        if self.head and not _HEAD.fullmatch(self.head):
            raise ConfigError(f"node {self.name!r}: the head is joined at ADDRESS:PORT, got {self.head!r}")
        first, last = self.ports
        if last - first + 1 < FEWEST_PORTS:
            raise ConfigError(f"node {self.name!r}: ports {first}-{last} are too few, {FEWEST_PORTS} are needed")
        if not (self.reach[0] <= first and last <= self.reach[1]):
            raise ConfigError(
                f"node {self.name!r}: ports {first}-{last} lie outside reach {self.reach[0]}-{self.reach[1]}, "
                "which holds the ports of all nodes"
            )

    def to_json(self) -> JsonObject:
        """Returns it as a JSON object."""
        return {
            "address": self.address,
            "drives": self.drives,
            "head": self.head,
            "name": self.name,
            "ports": [*self.ports],
            "reach": [*self.reach],
            "sockets": self.sockets,
            "token": self.token,
        }

    @classmethod
    def parse(cls, value: JsonValue) -> Self:
        """Reads what ``to_json`` wrote; raises ``Malformed``."""
        fields = read_object(value, _NAMES, "member")
        texts = {name: read_text(fields[name], f"member.{name}") for name in ("address", "name", "token")}
        optional = {name: fields[name] for name in ("head", "sockets")}
        drives = fields["drives"]
        if not all(isinstance(text, str) for text in optional.values()) or not isinstance(drives, bool):
            raise Malformed("member", "head and sockets are text, drives is true or false")
        ports, reach = (_ports(fields[name], f"member.{name}") for name in ("ports", "reach"))
        return cls(
            ports=ports, reach=reach, drives=drives, **texts, **{key: str(text) for key, text in optional.items()}
        )

    def arguments(self, cpus: int, memory: int, object_store: int, folder: str) -> list[str]:
        """Returns the arguments of ``ray start``."""
        first, last = self.ports
        ports = [part for place, name in enumerate(_PORTS, first + 1) for part in (name, str(place))]
        where = ["--address", self.head] if self.head else ["--head", "--port", str(first), "--include-dashboard=false"]
        return [
            *where,
            *ports,
            *("--min-worker-port", str(first + _FIRST_WORKER), "--max-worker-port", str(last)),
            *("--node-ip-address", self.address, "--labels", f"{NODE_LABEL}={self.name}"),
            *("--num-cpus", str(cpus), "--memory", str(memory), "--object-store-memory", str(object_store)),
            *("--temp-dir", folder, "--disable-usage-stats"),
        ]


def start_member(member: Member, arguments: list[str]) -> None:
    """Starts Ray's processes below this one; as the gateway's driver, connects to them.

    Raises:
        RuntimeError: Ray did not come up, or the head does not answer or refuses the token.
    """
    import ray  # noqa: PLC0415 - see head.start_head
    from ray.scripts.scripts import start  # noqa: PLC0415 - as above

    if member.sockets:
        os.environ[FOLDER_VARIABLE] = member.sockets  # Ray's workers inherit it
    try:
        start.main(args=arguments, standalone_mode=False)
    except SystemExit as error:
        message = f"`ray start` ended with {error.code}"
        raise RuntimeError(message) from error
    if member.drives:
        ray.init(
            address=member.head,
            _node_ip_address=member.address,
            namespace="fabric",
            log_to_driver=False,
            configure_logging=False,
        )


def parse_ports(text: str, what: str) -> Ports:
    """Reads ``FIRST-LAST``; raises ``ConfigError``."""
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) <= _MAX_PORT):
        raise ConfigError(f"{what}: expected FIRST-LAST, such as 21000-21063, got {text!r}")
    return int(first), int(last)


def _ports(value: JsonValue, field: str) -> Ports:
    first, last = read_list(value, lambda item: read_integer(item, field, 1, _MAX_PORT), field, 2)
    return first, last


def read_token(path: Path) -> str:
    """Reads the cluster's token.

    Raises:
        ConfigError: no such file, one that others may read, or a token that can be guessed.
    """
    try:
        mode, token = path.stat().st_mode, path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigError(f"token file {path}: {reason}; `cryptlet node token FILE` makes one") from error
    if mode & _OTHERS:
        raise ConfigError(f"token file {path}: others may read it; take that right away with chmod 600")
    if len(token) < _SHORTEST_TOKEN:
        raise ConfigError(f"token file {path}: expected {_SHORTEST_TOKEN} characters or more, got {len(token)}")
    return token
