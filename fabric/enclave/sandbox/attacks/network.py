"""Attacks on the network: any socket at all."""

import socket
from typing import Final

from fabric.enclave.sandbox.attacks.bait import Attack, Bait

_SECONDS: Final = 2.0


def _tcp(bait: Bait) -> str | None:
    with socket.create_connection(("127.0.0.1", bait["port"]), _SECONDS):
        return "connected to the enclave's port"


def _udp(bait: Bait) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("127.0.0.1", bait["port"]))
        return "sent a datagram"


def _ipv6(bait: Bait) -> str | None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.connect(("::1", bait["port"]))
        return "has IPv6"


def _abstract(bait: Bait) -> str | None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"\0{bait['abstract']}")
        return "connected to the enclave's abstract socket"


def _netlink(bait: Bait) -> str | None:
    del bait
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0):
        return "has netlink"


def _pair(bait: Bait) -> str | None:
    del bait
    for end in socket.socketpair():
        end.close()
    return "has Unix sockets"


ATTACKS: Final[dict[str, Attack]] = {
    "TCP": _tcp,
    "UDP": _udp,
    "IPv6": _ipv6,
    "abstract socket": _abstract,
    "netlink": _netlink,
    "socket pair": _pair,
}
