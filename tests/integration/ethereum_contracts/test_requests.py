"""Requests: ids as Python computes them, counters without gaps."""

import pytest

from fabric.core.ids import BindingVersion, method_word, request_id, sha256
from tests.integration.ethereum_contracts.world import World, account

pytestmark = pytest.mark.ethereum


def test_ids_and_counters(world: World) -> None:
    method, binding = method_word("judge"), BindingVersion(sha256(b"binding"))
    senders = [world.chain.accounts[place] for place in (1, 1, 2, 1)]
    nonces = [0, 1, 0, 2]
    for index, (sender, nonce) in enumerate(zip(senders, nonces, strict=True)):
        digest = sha256(f"input {index}".encode())
        expected = request_id(world.destination.id, account(sender), nonce, method, digest, binding)
        call = world.functions.request(method, digest, binding, 2**64 - 1)
        sent = world.chain.send(call, sender=sender)
        event = dict(sent.events)["Requested"]
        assert (event["index"], event["invocation"], event["nonce"]) == (index, expected, nonce)
        assert event["stateVersion"] == 2**64 - 1
        assert world.functions.requestAt(index).call() == expected
    assert world.functions.requestCount().call() == len(senders)
    assert world.functions.requestAt(len(senders)).call() == bytes(32)
    assert [world.functions.nonceOf(one).call() for one in world.chain.accounts[:3]] == [0, 3, 1]
