"""A message that a contract sends in a transaction with megabytes of logs travels both ways, on real parts."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import pytest
import rlp
from eth_hash.auto import keccak

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.correspondent import OPEN_CHANNEL, SEND
from adapters.ethereum.rpc import Rpc
from adapters.native.account import open_account
from fabric.cli.demo.bindings import relay_binding
from fabric.client import Client
from fabric.core.clock import SystemClock
from fabric.core.ids import Account, InvocationId, sha256
from fabric.gateway.kinds import load_kind
from fabric.trust.message import Channel, End, Message, Shown
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from registry.folder import FolderRegistry
from registry.publish import publish
from tests.support.evm_mail import LOG_BYTES, wrapped
from tests.support.house import END_SECONDS, House
from tests.support.house_work import POLL_SECONDS
from tests.support.mail_ends import SENDER
from tests.support.projects import PUBLISHER, RELAY, built
from tests.support.seeded_keys import SeededKeys

pytestmark = [pytest.mark.e2e, pytest.mark.ethereum, pytest.mark.slow, pytest.mark.timeout(600)]

BODY: Final = b"a claim in a haystack"
LOGS: Final = 80
"""Eight megabytes: 64 million gas, more than a block of Ethereum's takes."""
GAS: Final = 90_000_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("haystack"))
    publish(built(RELAY).wheel, FolderRegistry(made.registry), PUBLISHER)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.close()


async def next_contract(account: NodeAccount) -> Account:
    """Returns the address of the contract that an account creates next."""
    (nonce,) = await account.rpc.ask([("eth_getTransactionCount", ["0x" + account.address.hex(), "latest"])])
    return Account(keccak(rlp.encode([account.address, int(str(nonce), 16)]))[12:].rjust(32, b"\0"))


async def test_a_message_in_a_haystack_is_carried_and_its_records_verify_offline(house: House) -> None:
    ledgers = house.endpoint.ledgers
    ethereum, native = ledgers["ethereum"].destination, ledgers["native"].destination
    account = await NodeAccount.open(Rpc(str(ledgers["ethereum"].settings["url"])), SENDER)
    contract, holder = await next_contract(account), open_account(SeededKeys("alice")._ed25519)
    policy = Policy.parse((house.state / "policy.json").read_bytes())
    measurement = built(RELAY).bundle.measurement
    back = relay_binding(measurement, house.endpoint, policy, "ethereum")
    forth = relay_binding(measurement, house.endpoint, policy, "native")
    ends = (
        End(ethereum.id, contract, back.version, Shown.ASSERTED),
        End(native.id, holder.account, forth.version, Shown.ASSERTED),
    )
    channel = Channel.between(*ends, bytes(32))
    expiry = SystemClock().unix_seconds() + 600
    message = Message(channel.id, ethereum.id, native.id, contract, holder.account, 0, expiry, sha256(BODY))
    calls = (OPEN_CHANNEL.call(channel.encoded), SEND.call(message.encoded, BODY))
    async with house.client() as client:
        for binding in (back, forth):
            await client.put_binding(binding.document)
        await client.submit_call("native", holder.open_channel(native.id, channel))
        await account.send(b"", wrapped(ethereum.settlement[-20:], calls, LOGS), GAS)
        assert await ending(client, message) == "acknowledged"
        await check_proof(house, client, message)
    await account.rpc.aclose()


async def ending(client: Client, message: Message) -> str:
    async with asyncio.timeout(END_SECONDS):
        while True:
            found = {one.message: one.state for one in (await client.messages()).messages}
            if found.get(message) in {"acknowledged", "refunded"}:
                return found[message]
            await asyncio.sleep(POLL_SECONDS)


async def check_proof(house: House, client: Client, message: Message) -> None:
    """The proof of the delivery holds the event, haystack and all."""
    trace = await client.message(message.id.hex()[:8])
    (step,) = [step for step in trace.steps if step.state == "delivering" and step.reason == "running"]
    native = house.endpoint.ledgers["native"].destination.id
    document = await client.proof(InvocationId(step.invocation), native)
    assert len(document) > 2 * LOGS * LOG_BYTES
    policy = Policy.parse((house.state / "policy.json").read_bytes())
    sources: Any = verify(document, policy, load_kind).proof.statement["sources"]
    assert [source["message"] for source in sources] == [message.id.hex()]
