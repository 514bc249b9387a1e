"""The base of contracts whose logic is a cryptlet: whose results it takes, for which state, and how often."""

from typing import Final

import pytest

from fabric.core.ids import InvocationId, Measurement, method_word, sha256
from fabric.trust.attestation import KeyState
from tests.integration.ethereum_contracts.chain import Chain, Refusal, decode_error
from tests.integration.ethereum_contracts.world import (
    BINDING,
    CALLER,
    ENCLAVE,
    MEASUREMENT,
    Cryptlet,
    Field,
    World,
    account,
    payload_of,
)
from tests.support.rules_builder import party

pytestmark = pytest.mark.ethereum

OTHER: Final = sha256(b"other")


def counters(probe: Cryptlet) -> tuple[int, int]:
    """Returns how many results were applied, and how many effects happened."""
    return probe.functions.stateVersion().call(), probe.functions.effects().call()


def refusal(probe: Cryptlet, given: bytes = payload_of("a"), /, **changes: Field) -> Refusal:
    """Settles a record of the allowed caller that differs in some fields, and has it refused."""
    records = [probe.record("a", **changes)]
    probe.world.anchor(records)
    found = probe.world.chain.refusal(probe.consumption(records, 0, given))
    assert counters(probe) == (0, 0)
    assert not probe.world.functions.spent(records[0].intent).call()
    return found


def test_it_tells_what_it_was_made_with(probe: Cryptlet) -> None:
    functions = probe.functions
    assert functions.settlement().call() == probe.world.contract.address
    assert functions.measurement().call() == MEASUREMENT
    assert functions.binding().call() == BINDING
    assert functions.allowedCaller().call() == CALLER
    assert functions.deployer().call() == probe.world.chain.accounts[0]


def test_a_request_is_answered_once(probe: Cryptlet) -> None:
    record = probe.ask("a")
    assert probe.functions.isPending(record.invocation).call()
    probe.world.anchor([record])
    call = probe.consumption([record], 0, payload_of("a"))
    sent = probe.world.chain.send(call, sender=probe.world.chain.accounts[5])
    assert sent.names == ["Consumed", "Applied"]
    assert dict(sent.events)["Applied"]["stateVersion"] == 1
    assert counters(probe) == (1, 1)
    assert not probe.functions.isPending(record.invocation).call()
    again = probe.world.chain.refusal(call)
    assert again == Refusal("UnknownOrigin", (record.invocation, account(probe.contract.address)))


def test_a_record_of_the_allowed_caller_applies_once(probe: Cryptlet) -> None:
    records = [probe.record(name) for name in "abc"]
    probe.world.anchor(records)
    probe.world.chain.send(probe.consumption(records, 1, payload_of("b")))
    assert counters(probe) == (1, 1)
    again = probe.world.chain.refusal(probe.consumption(records, 1, payload_of("b")))
    assert again == Refusal("WrongStateVersion", (0, 1))


def test_of_two_requests_on_one_state_the_second_goes_stale(probe: Cryptlet) -> None:
    first, second = probe.ask("a"), probe.ask("b")
    records = [first, second]
    probe.world.anchor(records)
    probe.world.chain.send(probe.consumption(records, 1, payload_of("b")))
    late = probe.world.chain.refusal(probe.consumption(records, 0, payload_of("a")))
    assert late == Refusal("StaleState", (0, 1))
    assert not probe.functions.isPending(first.invocation).call()
    asked_again = probe.ask("a")
    assert asked_again.invocation != first.invocation
    assert asked_again.state_version == 1
    probe.world.anchor([asked_again])
    probe.world.chain.send(probe.consumption([asked_again], 0, payload_of("a")))
    assert counters(probe) == (2, 2)


def test_a_record_must_answer_what_was_asked(probe: Cryptlet) -> None:
    asked = probe.ask("a")
    fields = {"caller": asked.caller, "invocation": asked.invocation}
    swapped = [probe.record("a", **fields, input=OTHER)]
    probe.world.anchor(swapped)
    found = probe.world.chain.refusal(probe.consumption(swapped, 0, payload_of("a")))
    assert found == Refusal("WrongAnswer", (asked.invocation,))
    probe.world.anchor([asked])
    probe.world.chain.send(probe.consumption([asked], 0, payload_of("a")))


def test_refusals_of_records(probe: Cryptlet) -> None:
    someone = account(probe.world.chain.accounts[1])
    measurement, mine = Measurement(OTHER), account(probe.contract.address)
    invocation = InvocationId(sha256(b"never asked"))
    found = [
        refusal(probe, measurement=measurement),
        refusal(probe, binding=OTHER),
        refusal(probe, method=OTHER),
        refusal(probe, invocation=invocation, caller=OTHER),
        refusal(probe, invocation=invocation, caller=mine),
        refusal(probe, state_version=1),
        refusal(probe, payload=OTHER),
        refusal(probe, b"another payload"),
        refusal(probe, recipient=someone),
    ]
    assert found == [
        Refusal("WrongMeasurement", (OTHER,)),
        Refusal("WrongBinding", (OTHER, BINDING)),
        Refusal("UnknownMethod", (OTHER,)),
        Refusal("UnknownOrigin", (invocation, OTHER)),
        Refusal("UnknownOrigin", (invocation, mine)),
        Refusal("WrongStateVersion", (1, 0)),
        Refusal("WrongPayload", (sha256(payload_of("a")), OTHER)),
        Refusal("WrongPayload", (sha256(b"another payload"), sha256(payload_of("a")))),
        Refusal("WrongRecipient", ("0x" + mine[12:].hex(), someone)),
    ]


def test_without_an_allowed_caller_only_own_requests_count(world: World) -> None:
    probe = Cryptlet.deploy(world, caller=bytes(32))
    assert refusal(probe).name == "UnknownOrigin"
    assert refusal(probe, caller=bytes(32)).name == "UnknownOrigin"


def test_tampered_inclusion_is_refused(probe: Cryptlet) -> None:
    records = [probe.record(name) for name in "abc"]
    probe.world.anchor(records)
    path = [OTHER, OTHER]
    call = probe.consumption(records, 0, payload_of("a"), path=path)
    assert probe.world.chain.refusal(call).name == "NotIncluded"
    tampered = bytearray(records[0].encoded)
    tampered[11 * 32] ^= 1
    call = probe.consumption(records, 0, payload_of("a"), record=bytes(tampered))
    assert probe.world.chain.refusal(call).name == "NotIncluded"
    call = probe.consumption(records, 0, payload_of("a"), record=records[0].encoded[:-1])
    assert probe.world.chain.refusal(call).name == "Malformed"
    call = probe.consumption(records, 0, payload_of("a"), batch=OTHER)
    assert probe.world.chain.refusal(call) == Refusal("NotSettled", (OTHER,))


def test_an_effect_that_reverts_takes_the_spending_back(probe: Cryptlet) -> None:
    record = probe.ask("a")
    probe.world.anchor([record])
    call = probe.consumption([record], 0, payload_of("a"))
    nobody = "0x" + bytes(20).hex()
    probe.world.chain.send(probe.functions.arm(nobody, 1))
    assert probe.world.chain.refusal(call) == Refusal("EffectRefused")
    assert not probe.world.functions.spent(record.intent).call()
    assert probe.functions.isPending(record.invocation).call()
    assert counters(probe) == (0, 0)
    probe.world.chain.send(probe.functions.arm(nobody, 0))
    probe.world.chain.send(call)
    assert probe.world.functions.spent(record.intent).call()
    assert counters(probe) == (1, 1)


@pytest.mark.parametrize(
    ("attacking", "error"),
    [("a", "WrongStateVersion"), ("b", "WrongStateVersion"), ("asked", "StaleState")],
)
def test_calling_back_during_the_effect_gains_nothing(probe: Cryptlet, attacking: str, error: str) -> None:
    records = {"a": probe.record("a"), "b": probe.record("b"), "asked": probe.ask("asked")}
    batch = list(records.values())
    probe.world.anchor(batch)
    attacker = probe.world.chain.deploy("test/Attacker")
    place = list(records).index(attacking)
    attack = probe.consumption(batch, place, payload_of(attacking))
    data = attack._encode_transaction_data()
    probe.world.chain.send(attacker.functions.load(probe.contract.address, data))
    probe.world.chain.send(probe.functions.arm(attacker.address, 0))
    probe.world.chain.send(probe.consumption(batch, 0, payload_of("a")))
    assert attacker.functions.called().call()
    assert not attacker.functions.succeeded().call()
    assert decode_error(attacker.functions.answer().call()).name == error
    assert counters(probe) == (1, 1)


def test_a_record_cannot_be_spent_behind_the_contracts_back(probe: Cryptlet) -> None:
    records = [probe.record("a")]
    probe.world.anchor(records)
    sender = probe.world.chain.accounts[0]
    found = probe.world.chain.refusal(probe.world.consumption(records, 0))
    mine = account(probe.contract.address)
    assert found == Refusal("WrongRecipient", (sender.lower(), mine))


def test_a_batch_settled_before_revocation_can_be_consumed(probe: Cryptlet) -> None:
    records = [probe.record("a")]
    probe.world.anchor(records)
    probe.world.chain.send(probe.world.status(ENCLAVE, KeyState.REVOKED))
    assert probe.world.functions.keyState(party(ENCLAVE).public.id).call() == KeyState.REVOKED
    probe.world.chain.send(probe.consumption(records, 0, payload_of("a")))


def test_the_binding_is_set_once_by_the_deployer(chain: Chain) -> None:
    world = World.deploy(chain)
    contract = chain.deploy("test/Probe", world.contract.address, MEASUREMENT, CALLER)
    stranger = chain.accounts[1]
    ask = contract.functions.ask(method_word("poke"), OTHER)
    assert chain.refusal(ask) == Refusal("NotBound")
    refused = chain.refusal(contract.functions.bind(BINDING), sender=stranger)
    assert refused == Refusal("NotDeployer", (stranger.lower(),))
    assert chain.refusal(contract.functions.bind(bytes(32))) == Refusal("NotBound")
    sent = chain.send(contract.functions.bind(BINDING))
    assert sent.events == (("Bound", {"binding": BINDING}),)
    assert chain.refusal(contract.functions.bind(OTHER)) == Refusal("AlreadyBound", (BINDING,))
    unknown = contract.functions.ask(OTHER, OTHER)
    assert chain.refusal(unknown) == Refusal("UnknownMethod", (OTHER,))


def test_before_it_is_bound_no_record_applies(world: World) -> None:
    contract = world.chain.deploy("test/Probe", world.contract.address, MEASUREMENT, CALLER)
    probe = Cryptlet(world, contract)
    assert refusal(probe, binding=bytes(32)) == Refusal("WrongBinding", (bytes(32), bytes(32)))
