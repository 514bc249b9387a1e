"""The error tree: one root, a stable code each, and what a caller may do next."""

import pytest

import fabric.core.errors as module
from fabric.core.errors import FabricError, Malformed, Party, Refused, Retry, SubmitError, VerificationError

ERRORS = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, FabricError)]


def test_codes_are_unique_and_spelled_alike() -> None:
    codes = [one.code for one in ERRORS]
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and " " not in code for code in codes)


@pytest.mark.parametrize("error", ERRORS, ids=lambda one: one.__name__)
def test_each_says_who_must_act_and_whether_to_repeat(error: type[FabricError]) -> None:
    assert isinstance(error.retry, Retry)
    assert isinstance(error.party, Party)
    assert error.__doc__


def test_only_an_unknown_outcome_is_unknown() -> None:
    assert [one for one in ERRORS if one.retry is Retry.UNKNOWN] == [SubmitError]


def test_what_is_asked_wrongly_is_never_repeated() -> None:
    assert {one.retry for one in ERRORS if issubclass(one, Refused | Malformed)} == {Retry.NEVER}


def test_malformed_names_format_and_reason() -> None:
    error = Malformed("record", "expected 544 bytes, got 3")
    assert (error.format, error.reason) == ("record", "expected 544 bytes, got 3")
    assert str(error) == "record: expected 544 bytes, got 3"


def test_verification_names_the_step() -> None:
    error = VerificationError("inclusion", "path longer than the tree is high")
    assert error.step == "inclusion"
    assert str(error) == "inclusion: path longer than the tree is high"
