"""A database of each kind for the tests that ask for one."""

from tests.support.databases import database, server

__all__ = ["database", "server"]
