"""A message through the real enclave: proof in, checked before the cryptlet runs, letter out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.ethereum.anchorage import MAX_BLOCK_GAS
from adapters.native.envelope import account_of, sign_envelope
from adapters.native.genesis import origin_of
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.ids import Account, InvocationId, caller_account, sha256
from fabric.core.model import Invocation
from fabric.enclave.launch import EnclaveProcess
from fabric.ledger.rules.operations import OpenChannel, Send
from fabric.trust.binding import Binding, write_binding
from fabric.trust.letter import Delivery
from fabric.trust.message import Message, Shown
from tests.support.enclaves import AS_OF, ETHEREUM, binding
from tests.support.harness import channel_of, next_message
from tests.support.native import ALICE, SEQUENCER, START, SeededSigner, open_native
from tests.support.projects import RELAY, built, signed
from tests.support.relays import source
from tests.unit.ethereum.test_event import BODY as CLAIM
from tests.unit.ethereum.test_event import OUTGOING, SENT
from tests.unit.ethereum.test_long_receipts import CHUNK_LOG, TRANSACTION_GAS, encoded, gas_of, material
from tests.unit.ethereum.test_receipt import DESTINATION

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]
BODY = b"a claim"


@pytest.fixture(name="told")
async def _told(tmp_path: Path) -> AsyncIterator[tuple[Message, JsonObject, Binding]]:
    """A message that a native ledger shows, the material, and the binding of the relay that takes it."""
    ledger = await open_native(tmp_path)
    here = ledger.destination
    channel = channel_of(here.id, account_of(ALICE.key))
    message = next_message(channel, here.id, 0, BODY, START + 60)
    for operation in (OpenChannel(channel), Send(message, BODY)):
        await ledger.take_call(sign_envelope(operation, here.id, 0, SeededSigner(ALICE)).encoded)
    _, material = await ledger.event_material((await ledger.mailbox_events(b"", 10)).events)
    trust: JsonObject = {"log_key": SEQUENCER.key.hex(), "origin": origin_of(here)}
    rules = binding(
        name="relay",
        cryptlet="relay@1.0.0",
        measurement=built(RELAY).bundle.measurement.hex(),
        methods=["acknowledge", "deliver"],
        callers=["relay"],
        destinations=[
            {
                "id": ETHEREUM.id.hex(),
                "recipient": Account(ETHEREUM.settlement).hex(),
                "consume": True,
                "codec": {"kind": "message"},
            }
        ],
        sources=[
            {
                "destination": here.to_json(),
                "trust": trust,
                "minimum_status": "operator-final",
                "accept_asserted": False,
            }
        ],
    )
    yield message, {"destination": here.id.hex(), "material": material}, rules
    await ledger.aclose()


def call(rules: Binding, number: int, event: JsonObject) -> Invocation:
    return Invocation(
        id=InvocationId(sha256(b"relay", number.to_bytes(4, "big"))),
        caller=caller_account("relay"),
        binding=rules.version,
        method="deliver",
        input=canonical.encode({"events": [event]}),
        as_of=AS_OF,
    )


async def test_what_a_ledger_proves_becomes_a_signed_letter(
    enclave: EnclaveProcess, told: tuple[Message, JsonObject, Binding]
) -> None:
    message, event, rules = told
    forged = event | {"destination": ETHEREUM.id.hex()}
    async with enclave.client() as client:
        bundle = built(RELAY)
        await client.load(bundle.wheel, canonical.encode(signed(bundle).to_json()))
        result = await client.run(rules.document, (call(rules, 1, event), call(rules, 2, forged)))
    delivered, refused = result.outcomes
    assert delivered.failure is None
    assert refused.failure is not None
    assert refused.failure.code == "source-refused"
    (batch,) = result.batches
    (entry,) = batch.entries
    assert entry.payload == Delivery(Shown.PROVEN, message, BODY).encoded
    assert entry.record.payload == sha256(entry.payload)
    assert entry.record.recipient == ETHEREUM.settlement
    expected = {
        "destination": event["destination"],
        "event": "sent",
        "message": message.id.hex(),
        "position": 1,
        "source": "proven",
        "status": "operator-final",
        "time": START,
    }
    assert canonical.decode_object(entry.statement)["sources"] == [expected]


async def test_an_event_in_a_transaction_that_fills_a_block_with_logs_becomes_a_signed_letter(
    enclave: EnclaveProcess, told: tuple[Message, JsonObject, Binding]
) -> None:
    """Whoever wraps a call of the mailbox in logs suppresses nothing."""
    _, _, native = told
    sources: list[JsonValue] = [source(DESTINATION)]
    rules = write_binding(canonical.decode_object(native.document) | {"sources": sources})
    count = (MAX_BLOCK_GAS - gas_of([SENT])) // (gas_of([CHUNK_LOG]) - TRANSACTION_GAS)
    event: JsonObject = {
        "destination": DESTINATION.id.hex(),
        "material": material(encoded([CHUNK_LOG] * count + [SENT]), count),
    }
    async with enclave.client() as client:
        bundle = built(RELAY)
        await client.load(bundle.wheel, canonical.encode(signed(bundle).to_json()))
        asked = call(rules, 3, event)
        result = await client.run(rules.document, (asked,))
    assert len(asked.input) > 28 << 20
    assert result.outcomes[0].failure is None
    assert result.batches[0].entries[0].payload == Delivery(Shown.ASSERTED, OUTGOING, CLAIM).encoded
