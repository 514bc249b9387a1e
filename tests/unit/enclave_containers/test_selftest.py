"""What counts as blocked: a refusal. A container that ended proves nothing, but where nothing else can come."""

import pytest

from fabric.core.errors import ContainerLost, LimitExceeded
from fabric.core.model import Failure
from fabric.enclave.containers.model import Reply
from fabric.enclave.containers.selftest import ENDED, _verdict
from fabric.enclave.sandbox.attacks import ATTACKS, BLOCKED

LOST = Reply(None, Failure(ContainerLost.code, "the container ended"))


def test_a_refusal_is_blocked_and_an_answer_got_through() -> None:
    assert _verdict("fork", Reply(BLOCKED)) is None
    assert _verdict("fork", Reply(b'"forked"')) == '"forked"'


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_that_ended_its_container_was_not_seen_to_its_end(name: str) -> None:
    """New kernels end who calls uretprobe, before any filter: the sweep once passed for done there."""
    assert (_verdict(name, LOST) is None) is (name in ENDED)


def test_an_attack_that_took_too_long_got_through() -> None:
    assert _verdict("fork", Reply(None, Failure(LimitExceeded.code, "deadline"))) == "deadline"
    assert ATTACKS.keys() >= ENDED
