"""What a test does with a running house: bindings, calls, waiting for ledgers, and counting what the ledgers hold."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from adapters.ethereum import abi
from adapters.ethereum.integrator import EthereumContract, EthereumIntegrator, open_integrator
from adapters.ethereum.rpc import Rpc
from adapters.native.entry import Entry
from fabric.cli.demo.bindings import CODEC
from fabric.client import Answer, Call, Client, RemoteError, Result
from fabric.core.ids import NOBODY, Account, InvocationId, Measurement, caller_account
from fabric.gateway.endpoint import LOCAL_CALLER, Endpoint
from fabric.ledger.rules.operations import Settle
from fabric.trust.binding import Binding, write_binding
from fabric.wire.service import InvokeRequest
from tests.support.house import END_SECONDS, House
from tests.support.projects import BAD, COLD_CHAIN, FINGERPRINT

if TYPE_CHECKING:
    from fabric.core.canonical import JsonObject

T = TypeVar("T")


class Fabric(Protocol):
    """A running fabric as these helpers need it: a house, or one of several machines."""

    measurements: dict[Path, Measurement]
    accepted: set[InvocationId]

    @property
    def state(self) -> Path: ...

    @property
    def endpoint(self) -> Endpoint: ...

    def client(self) -> Client: ...


PLAIN: Final = "plain"
"""Name of a binding of ``fingerprint`` that anchors and delivers nothing."""
POLL_SECONDS: Final = 0.2
TITLES: Final = {FINGERPRINT: "fingerprint@1.0.0", COLD_CHAIN: "cold-chain@1.0.0", BAD: "bad-cryptlet@1.0.0"}


def binding_of(
    house: Fabric,
    name: str,
    *,
    project: Path = FINGERPRINT,
    methods: Iterable[str] = ("document",),
    callers: Iterable[str] = (LOCAL_CALLER,),
    contract: Account | None = None,
) -> Binding:
    """Returns a binding that anchors on both ledgers and, where there is a contract, delivers to it."""
    ledgers = {key: item.destination.id.hex() for key, item in house.endpoint.ledgers.items()}
    plain: JsonObject = {"codec": {"kind": "json"}, "consume": False, "recipient": NOBODY.hex()}
    delivered: JsonObject = {"codec": CODEC, "consume": True, "recipient": contract.hex()} if contract else plain
    return write_binding(
        {
            "callers": [*sorted(callers)],
            "cryptlet": TITLES.get(project, "greeter@1.0.0"),
            "destinations": [plain | {"id": ledgers["native"]}, delivered | {"id": ledgers["ethereum"]}],
            "measurement": house.measurements[project].hex(),
            "methods": [*sorted(methods)],
            "name": name,
            "requesters": [contract.hex()] if contract else [],
            "valid_seconds": 7 * 86_400,
        }
    )


def document(number: int, key: str | None = None) -> Call:
    """Returns a good call of ``fingerprint``, unlike that of any other number."""
    return Call("document", b'{"document":%d}' % number, key or f"document-{number}")


async def each(requests: Iterable[InvokeRequest]) -> AsyncIterator[InvokeRequest]:
    """Yields what there is, for a stream."""
    for request in requests:
        yield request


def keyed(calls: Iterable[Call], answers: Iterable[Answer]) -> dict[str, Answer]:
    """Returns answers by idempotency key; there may be more calls than answers."""
    return {call.idempotency_key: answer for call, answer in zip(calls, answers, strict=False)}


async def settle_calls(client: Client, binding: str, calls: Sequence[Call]) -> dict[str, Answer]:
    """Has every call answered, by key, as a client does that repeats what was not, under the same keys."""
    answers: dict[str, Answer] = {}
    async with asyncio.timeout(END_SECONDS):
        while left := [call for call in calls if call.idempotency_key not in answers]:
            reply = await client.invoke(binding, left)
            for call, answer in zip(left, reply.answers, strict=True):
                if answer.failure is None or answer.retry == "never":
                    answers[call.idempotency_key] = answer
            if len(answers) < len(calls):
                await asyncio.sleep(POLL_SECONDS)
    return answers


def invocation_of(answer: Answer) -> InvocationId:
    """Returns the id of a call that succeeded."""
    assert answer.failure is None, answer
    return InvocationId(answer.invocation)


async def wait_until(look: Callable[[], Awaitable[T]]) -> T:
    """Looks again and again until what it sees is true; returns it."""
    try:
        async with asyncio.timeout(END_SECONDS):
            while not (found := await look()):  # noqa: ASYNC110 - what is looked at is another process
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"not seen in {END_SECONDS} s") from None
    return found


async def wait_final(client: Client, invocations: Iterable[InvocationId]) -> list[Result]:
    """Waits until every result is final on each ledger, consumed where it is to be; returns the results."""
    return [await _wait_final(client, invocation) for invocation in invocations]


async def _wait_final(client: Client, invocation: InvocationId) -> Result:
    last: object = None
    try:
        async with asyncio.timeout(END_SECONDS):
            while True:
                try:
                    last = result = await client.result(invocation)
                except RemoteError as error:
                    if error.remote_code != "not-found":  # an event-born one is not stored at once
                        raise
                    last = error
                else:
                    assert not [item for item in result.anchors if "refused" in item.status + item.consumption], result
                    if result.anchors and all(map(_is_done, result.anchors)):
                        return result
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"not final in {END_SECONDS} s: {last}") from None


def _is_done(anchor: object) -> bool:
    status, consumption = getattr(anchor, "status", ""), getattr(anchor, "consumption", "")
    return status in ("final", "operator-final") and consumption in ("", "final")


@dataclass(frozen=True)
class OnLedger:
    """What one ledger says of itself, counted.

    Attributes:
        batches: how often each batch was settled.
        records: how many records the settled batches hold.
        consumed: how often each invocation was consumed.
    """

    batches: Counter[bytes]
    records: int
    consumed: Counter[bytes]


async def count_ethereum(house: Fabric) -> OnLedger:
    """Counts the events of the settlement contract since its first block."""
    settings = house.endpoint.ledgers["ethereum"].settings
    rpc = Rpc(str(settings["url"]))
    try:
        where: JsonObject = {"address": settings["settlement"], "fromBlock": "0x0", "toBlock": "latest"}
        asked = [where | {"topics": ["0x" + topic.hex()]} for topic in (abi.SETTLED, abi.CONSUMED)]
        settled, consumed = await rpc.ask([("eth_getLogs", [one]) for one in asked])
    finally:
        await rpc.aclose()
    assert isinstance(settled, list)
    assert isinstance(consumed, list)
    return OnLedger(
        Counter(_topic(log, 1) for log in settled),
        sum(int(str(log["data"])[2:66], 16) for log in settled if isinstance(log, dict)),
        Counter(_topic(log, 3) for log in consumed),
    )


def _topic(log: object, index: int) -> bytes:
    assert isinstance(log, dict)
    return bytes.fromhex(str(log["topics"][index])[2:])


def count_native(house: Fabric) -> OnLedger:
    """Counts the settlements in the native ledger's file, beside the running ledger."""
    path = house.state / "ledgers/native/native.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute('SELECT entry FROM entries ORDER BY "index"').fetchall()
    operations = [Entry.decode(row[0]).envelope.operation for row in rows]
    headers = [item.header for item in operations if isinstance(item, Settle)]
    return OnLedger(Counter(item.batch_id for item in headers), sum(item.count for item in headers), Counter())


async def assert_settled_once(house: Fabric, answers: Iterable[Answer], *others: InvocationId) -> Counter[bytes]:
    """Waits until results are final, then counts both whole ledgers.

    Each batch is there once, there are as many records as results were ever accepted, and none was consumed twice.

    Returns:
        How often each invocation was consumed.
    """
    invocations = [*map(invocation_of, answers), *others]
    async with house.client() as client:
        await wait_final(client, invocations)
    house.accepted.update(invocations)
    ethereum, native = await count_ethereum(house), count_native(house)
    for ledger in (ethereum, native):
        assert set(ledger.batches.values()) <= {1}, ledger
        assert ledger.records == len(house.accepted), ledger
        assert set(ledger.consumed.values()) <= {1}, ledger
    return ethereum.consumed


@asynccontextmanager
async def integrator_of(house: House) -> AsyncIterator[EthereumIntegrator]:
    """Opens an integrator on the house's chain."""
    integrator = await open_integrator(house.endpoint.ledgers["ethereum"].settings, house.folder)
    try:
        yield integrator
    finally:
        await integrator.aclose()


async def deploy_shipment(house: House, integrator: EthereumIntegrator, client: Client, name: str) -> EthereumContract:
    """Deploys a shipment contract with a binding of that name, by which the local caller and the contract can ask."""
    measurement = house.measurements[COLD_CHAIN]
    contract = await integrator.deploy("ShipmentContract", measurement, caller_account(LOCAL_CALLER))
    binding = binding_of(house, name, project=COLD_CHAIN, methods=("judge",), contract=contract.account)
    await contract.bind(await client.put_binding(binding.document))
    return contract
