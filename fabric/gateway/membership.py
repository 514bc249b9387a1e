"""The gateway's own part in a Ray of several machines, as the configuration has it."""

from fabric.core.errors import ConfigError
from fabric.gateway.config import Config
from fabric.runtime.member import Member, parse_ports, read_token


def member_of(config: Config) -> Member | None:
    """Returns how this machine takes part; None where Ray is its own.

    Raises:
        ConfigError: a key is missing or wrong, or nothing would run enclaves.
    """
    cluster = config.cluster
    if not cluster.head:
        if cluster.nodes:
            raise ConfigError("cluster.nodes are named and cluster.head is not: say where their Ray is")
        if not config.runtime.enclaves:
            raise ConfigError("runtime.enclaves is 0 and no cluster is named: nothing would run cryptlets")
        return None
    if not cluster.address:
        raise ConfigError("cluster.address is missing: the address by which the nodes reach this machine")
    if not config.runtime.enclaves and not cluster.nodes:
        raise ConfigError("runtime.enclaves is 0 and cluster.nodes names none: nothing would run cryptlets")
    return Member(
        name=cluster.name,
        address=cluster.address,
        ports=parse_ports(cluster.ports, "cluster.ports"),
        reach=parse_ports(cluster.reach or cluster.ports, "cluster.reach"),
        token=read_token(cluster.token_file),
        head=cluster.head,
        drives=True,
    )
