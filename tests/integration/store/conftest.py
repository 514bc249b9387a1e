"""Each kind of database."""

from tests.support.databases import database, server

__all__ = ["database", "server"]
