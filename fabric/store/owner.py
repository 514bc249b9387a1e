"""Whose store it is: a database and a state folder that do not belong together are refused."""

from sqlalchemy import Connection, insert, select

from fabric.core.errors import ConfigError
from fabric.core.ids import FabricId
from fabric.store.schema import owner


def claim(connection: Connection, fabric: FabricId) -> None:
    """Names the fabric in an ownerless database; raises ``ConfigError`` where another is named."""
    found = connection.scalar(select(owner.c.fabric))
    if found is None:
        connection.execute(insert(owner).values(fabric=fabric))
    elif found != fabric:
        raise ConfigError(
            f"the database belongs to fabric {found.hex()}, the state folder to {fabric.hex()}: "
            "name the state folder that goes with it, or a database of its own for this one"
        )
