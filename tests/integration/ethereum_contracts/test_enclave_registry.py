"""The registry of keys: what it keeps and tells, and what it refuses beyond the shared scenarios."""

from dataclasses import replace

import pytest

from fabric.core.ids import sha256, tag
from fabric.trust.attestation import Assurance, KeyState, KeyStatus, destinations_digest
from fabric.trust.revocation import CodeRevocation
from tests.integration.ethereum_contracts.chain import Chain, Refusal
from tests.integration.ethereum_contracts.world import (
    APPRAISERS,
    ENCLAVE,
    MEASUREMENT,
    QUORUM,
    World,
    malleated,
    signed,
)
from tests.support.rules_builder import party

pytestmark = pytest.mark.ethereum


def test_what_is_kept_of_keys(chain: Chain) -> None:
    world = World.deploy(chain)
    keys = party(ENCLAVE).public
    assert world.functions.keyState(keys.id).call() == 0
    result = world.register()
    fields = (result.not_before, result.not_after, result.epoch, 0, result.fabric, result.digest)
    assert world.functions.keyOf(keys.address).call() == (keys.id, 1, 1, *fields)
    assert bytes.fromhex(world.functions.accountOf(keys.id).call()[2:]) == keys.address
    assert world.functions.keyState(keys.id).call() == KeyState.ACTIVE


def test_key_status_is_kept(world: World) -> None:
    keys = party(ENCLAVE).public
    deadline = world.chain.time + 9
    world.chain.send(world.status(ENCLAVE, KeyState.RETIRED, deadline))
    assert world.functions.keyState(keys.id).call() == KeyState.RETIRED
    assert world.functions.keyOf(keys.address).call()[6] == deadline
    world.chain.send(world.status(ENCLAVE, KeyState.REVOKED))
    assert world.functions.keyState(keys.id).call() == KeyState.REVOKED


def test_a_renewal_may_bring_another_ed25519_key(world: World) -> None:
    old = party(ENCLAVE).public
    mixed = replace(old, ed25519=party("enclave-1").public.ed25519)
    renewal = world.result(keys=ENCLAVE)
    world.chain.send(world.registration(replace(renewal, keys=mixed, not_after=renewal.not_after + 9)))
    assert world.functions.keyState(mixed.id).call() == KeyState.ACTIVE
    assert world.functions.keyState(old.id).call() == 0


def test_refusals_say_what_was_expected(world: World) -> None:
    chain, keys = world.chain, party("enclave-1").public
    now = chain.time + 10
    late = world.result("enclave-1", not_before=now + 5)
    ended = world.result("enclave-1", not_after=now - 5)
    stranger = destinations_digest([sha256(b"elsewhere")])  # type: ignore[list-item]
    elsewhere = world.result("enclave-1", destinations=stranger)
    lonely = world.registration(world.result("enclave-1"), ["appraiser-1"])
    refusals = [
        chain.refusal(world.registration(late), at=now),
        chain.refusal(world.registration(ended), at=now),
        chain.refusal(world.registration(elsewhere)),
        chain.refusal(lonely),
        chain.refusal(world.status("enclave-1", KeyState.REVOKED)),
    ]
    assert refusals == [
        Refusal("NotYetValid", (now, now + 5)),
        Refusal("AttestationExpired", (now, now - 5)),
        Refusal("WrongDestination", (stranger,)),
        Refusal("QuorumMissing", (1, 2)),
        Refusal("UnknownKey", ("0x" + keys.address.hex(),)),
    ]


def test_revoked_keys_never_come_back(world: World) -> None:
    world.chain.send(world.status(ENCLAVE, KeyState.REVOKED))
    renewal = world.result(epoch=2, not_after=world.chain.time + 2 * 366 * 86_400)
    expected = Refusal("KeyRevoked", (party(ENCLAVE).public.id,))
    assert world.chain.refusal(world.registration(renewal)) == expected
    retired = world.status(ENCLAVE, KeyState.RETIRED, 9)
    assert world.chain.refusal(retired) == Refusal("BadTransition", (3, 2))


def test_signers_out_of_order_are_refused(world: World) -> None:
    result = world.result("enclave-1")
    signatures = signed(result.typed_digest, APPRAISERS)
    places = [world.destination.id]
    call = world.functions.register(result.encoded, places, [signatures[1], signatures[0]])
    signer = min(party(name).public.address for name in APPRAISERS)
    assert world.chain.refusal(call) == Refusal("BadOrder", ("0x" + signer.hex(),))
    twice = world.functions.register(result.encoded, places, [signatures[0]] * 2)
    assert world.chain.refusal(twice) == Refusal("BadOrder", ("0x" + signer.hex(),))


def test_an_appraisers_second_spelling_of_a_signature_is_refused(world: World) -> None:
    result = world.result("enclave-1")
    first, second = signed(result.typed_digest, QUORUM)
    call = world.functions.register(result.encoded, [world.destination.id], [first, malleated(second)])
    assert world.chain.refusal(call) == Refusal("BadSignature")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0, b"another tag".ljust(32, b"\0")),
        (2, b"\1" + bytes(31)),
        (4, bytes(32)),
        (4, b"a\0b".ljust(32, b"\0")),
        (4, b"\xc3\xa4".ljust(32, b"\0")),
        (5, (3).to_bytes(32, "big")),
        (6, (2**64).to_bytes(32, "big")),
        (7, (2**64).to_bytes(32, "big")),
        (8, (2**64).to_bytes(32, "big")),
    ],
)
def test_words_that_are_no_attestation_result(world: World, word: int, value: bytes) -> None:
    encoded = bytearray(world.result("enclave-1").encoded)
    encoded[32 * word : 32 * word + 32] = value
    call = world.functions.register(bytes(encoded), [world.destination.id], [])
    assert world.chain.refusal(call) == Refusal("Malformed", (tag("attestation"),))


@pytest.mark.parametrize("size", [0, 351, 353, 384])
def test_another_length_is_no_attestation_result(world: World, size: int) -> None:
    encoded = world.result("enclave-1").encoded.ljust(size, b"\0")[:size]
    call = world.functions.register(encoded, [world.destination.id], [])
    assert world.chain.refusal(call) == Refusal("Malformed", (tag("attestation"),))


def test_isolation_of_thirty_two_characters_is_one(world: World) -> None:
    world.register("enclave-1", isolation="x" * 32, assurance=Assurance.SIMULATED)


def test_more_destinations_than_a_result_can_have(world: World) -> None:
    result = world.result("enclave-1")
    call = world.functions.register(result.encoded, [world.destination.id] * 65, [])
    assert world.chain.refusal(call) == Refusal("Malformed", (tag("destinations"),))


@pytest.mark.parametrize(("word", "value"), [(0, 7), (2, 2**200), (3, 0), (3, 1), (3, 4), (3, 2**64 + 2), (4, 2**64)])
def test_words_that_are_no_key_status(world: World, word: int, value: int) -> None:
    status = KeyStatus(party(ENCLAVE).public, KeyState.RETIRED, 9)
    encoded = bytearray(status.encoded)
    encoded[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
    call = world.functions.setKeyStatus(bytes(encoded), [])
    assert world.chain.refusal(call) == Refusal("Malformed", (tag("key status"),))


def test_a_revocation_of_code_is_kept(world: World) -> None:
    chain, since = world.chain, world.chain.time
    assert world.functions.revokedSince(MEASUREMENT).call() == 0
    chain.send(world.revocation(MEASUREMENT, since))
    assert world.functions.revokedSince(MEASUREMENT).call() == since
    chain.send(world.revocation(MEASUREMENT, since + 1))
    assert world.functions.revokedSince(MEASUREMENT).call() == since
    chain.send(world.revocation(MEASUREMENT, 1))
    assert world.functions.revokedSince(MEASUREMENT).call() == 1
    assert world.functions.revokedSince(sha256(b"other code")).call() == 0


def test_a_refused_consumption_says_since_when_its_code_is_revoked(world: World) -> None:
    chain = world.chain
    record = world.record("one", chain.accounts[0])
    world.anchor([record])
    chain.send(world.revocation(MEASUREMENT, chain.time))
    refusal = chain.refusal(world.consumption([record], 0))
    assert refusal == Refusal("CodeRevoked", (MEASUREMENT, world.functions.revokedSince(MEASUREMENT).call()))


@pytest.mark.parametrize(("word", "value"), [(0, 7), (2, 0), (2, 2**64)])
def test_words_that_are_no_code_revocation(world: World, word: int, value: int) -> None:
    encoded = bytearray(CodeRevocation(MEASUREMENT, 9).encoded)
    encoded[32 * word : 32 * word + 32] = value.to_bytes(32, "big")
    call = world.functions.revokeCode(bytes(encoded), [])
    assert world.chain.refusal(call) == Refusal("Malformed", (tag("code revocation"),))


@pytest.mark.parametrize("size", [0, 64, 95, 97, 128])
def test_another_length_is_no_code_revocation(world: World, size: int) -> None:
    encoded = CodeRevocation(MEASUREMENT, 9).encoded.ljust(size, b"\0")[:size]
    assert world.chain.refusal(world.functions.revokeCode(encoded, [])).name == "Malformed"
