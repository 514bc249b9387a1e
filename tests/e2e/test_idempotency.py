"""One key, one result, one record on each ledger, however often and by however many it is asked for."""

import asyncio
import secrets

import pytest

from fabric.client import Answer, Call, Client
from fabric.wire.service import InvokeRequest
from tests.support.house import House
from tests.support.house_work import (
    binding_of,
    count_ethereum,
    count_native,
    document,
    each,
    invocation_of,
    wait_final,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BINDING = "idempotent"


@pytest.fixture(autouse=True)
async def binding(house: House, client: Client) -> None:
    methods = ("document", "file")
    await client.put_binding(binding_of(house, BINDING, methods=methods, callers=["alice", "bob", "local"]).document)


def assert_used(answer: Answer) -> None:
    assert answer.output is None
    assert answer.failure is not None
    assert (answer.failure.code, answer.retry) == ("refused", "never")
    assert answer.failure.message.startswith("idempotency_key")


async def records(house: House, client: Client) -> int:
    """Returns how many records both ledgers hold, once all that was asked for before this is settled."""
    (answer,) = (await client.invoke(BINDING, [document(0, secrets.token_hex(8))])).answers
    await wait_final(client, [invocation_of(answer)])
    ethereum, native = await count_ethereum(house), count_native(house)
    assert ethereum.records == native.records
    return native.records  # the one that was asked for here among them


async def test_the_same_call_again_is_the_same_result_and_one_record(house: House, client: Client) -> None:
    before = await records(house, client)
    call = document(1, "again")
    first, second = [await client.invoke(BINDING, [call]) for _ in range(2)]
    assert first == second
    # Another spelling of the same JSON is the same call.
    spelled = await client.invoke(BINDING, [Call("document", b' { "document" : 1 } ', "again")])
    assert spelled == first
    twice = await client.invoke(BINDING, [call, call])
    assert twice.answers == first.answers * 2
    streamed = [reply async for reply in client.stream(each([InvokeRequest(BINDING, (call,))] * 3))]
    assert streamed == [first] * 3
    await wait_final(client, [invocation_of(first.answers[0])])
    assert await records(house, client) == before + 2


async def test_a_key_is_not_taken_for_another_call(house: House, client: Client) -> None:
    first = (await client.invoke(BINDING, [document(2, "taken")])).answers[0]
    assert invocation_of(first)
    others = [document(3, "taken"), Call("file", b'{"document":2}', "taken")]
    for call in others:
        assert_used((await client.invoke(BINDING, [call])).answers[0])
    await client.put_binding(binding_of(house, "another-binding").document)
    assert_used((await client.invoke("another-binding", [document(2, "taken")])).answers[0])
    assert (await client.invoke(BINDING, [document(2, "taken")])).answers[0] == first


async def test_callers_share_no_keys(house: House, client: Client) -> None:
    async with house.client("alice") as alice, house.client("bob") as bob:
        answers = [(await one.invoke(BINDING, [document(5, "shared")])).answers[0] for one in (alice, bob, client)]
    assert len({invocation_of(answer) for answer in answers}) == 3
    assert len({answer.output for answer in answers}) == 1


async def test_clients_that_race_with_one_key_get_one_result(house: House, client: Client) -> None:
    before = await records(house, client)
    async with house.client() as other:
        clients = [client, other] * 8
        calls = [document(100 + number, f"race-{number}") for number in range(4)]
        replies = await asyncio.gather(*(one.invoke(BINDING, calls) for one in clients))
    assert len(set(replies)) == 1, set(replies)
    await wait_final(client, map(invocation_of, replies[0].answers))
    assert await records(house, client) == before + 1 + 4


async def test_of_calls_that_race_for_one_key_one_wins_and_others_beside_them_succeed(
    house: House, client: Client
) -> None:
    before = await records(house, client)
    async with house.client() as other:
        tries = 8
        requests = [
            [document(200 + number, "contested"), document(300 + number, f"bystander-{number}")]
            for number in range(tries)
        ]
        clients = [client, other] * (tries // 2)
        replies = await asyncio.gather(
            *(one.invoke(BINDING, calls) for one, calls in zip(clients, requests, strict=True))
        )
    contested = [reply.answers[0] for reply in replies]
    won = [answer for answer in contested if answer.failure is None]
    assert len(won) == 1, contested
    for answer in contested:
        if answer is not won[0]:
            assert_used(answer)
    bystanders = [invocation_of(reply.answers[1]) for reply in replies]
    await wait_final(client, [invocation_of(won[0]), *bystanders])
    assert await records(house, client) == before + 1 + 1 + tries
