"""A PostgreSQL server for the tests that ask for one."""

from tests.support.databases import server

__all__ = ["server"]
