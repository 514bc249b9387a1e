"""The table of statuses: every error of the platform has a row of its own or of an ancestor that says something."""

from typing import Final

import grpc
import pytest

import fabric.core.errors as module
from fabric.client import RemoteError
from fabric.core.errors import FabricError, NoCapacity, Retry, SandboxUnavailable, Unauthorized
from fabric.gateway.status import EXIT_REFUSED, EXIT_USAGE, TABLE, row_of
from tests.support.error_tree import tree

CORE: Final = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, FabricError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.own["code"] for error in tree().values() if "code" in error.own]
    assert len(codes) > 30
    assert sorted(set(codes)) == sorted(codes)


def test_the_table_knows_no_code_that_is_not_there() -> None:
    assert set(TABLE) <= {error.own.get("code") for error in tree().values()}


def test_every_error_of_the_core_has_a_row() -> None:
    assert {one.code for one in CORE} <= set(TABLE)


def test_no_error_falls_through_to_the_root() -> None:
    assert [error.name for error in tree().values() if error.row == "fabric"] == ["FabricError"]


@pytest.mark.parametrize("code", TABLE)
def test_every_row_is_a_status_and_an_exit_code(code: str) -> None:
    row = TABLE[code]
    assert grpc.StatusCode[row.grpc] is not grpc.StatusCode.OK
    assert 1 <= row.exit_code <= 125


def test_the_nearest_ancestor_counts() -> None:
    class Tired(NoCapacity):
        code = "tired"

    class Quiet(Unauthorized):
        pass

    assert row_of(Tired("later")) == TABLE["no-capacity"]
    assert row_of(Quiet("no")) == TABLE["unauthorized"]
    assert row_of(FabricError("?")) == TABLE["fabric"]


def test_what_another_fabric_reported_ends_as_it_would_have_there() -> None:
    assert row_of(RemoteError("unauthorized", "PERMISSION_DENIED", "no")).exit_code == EXIT_REFUSED
    assert row_of(RemoteError("malformed", "INVALID_ARGUMENT", "no")).exit_code == EXIT_USAGE
    assert row_of(RemoteError("unavailable", "UNAVAILABLE", "nobody there")) == TABLE["remote"]


def test_only_what_may_be_repeated_is_unavailable() -> None:
    """gRPC clients repeat UNAVAILABLE by themselves."""
    assert row_of(SandboxUnavailable("x")).grpc != "UNAVAILABLE"
    assert [one for one in CORE if TABLE[one.code].grpc == "UNAVAILABLE" and one.retry is not Retry.SAFE] == []
