"""A batch through the enclave: who fails fails alone, and only what ran and fits is signed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.errors import (
    ContainerLost,
    Malformed,
    NotFound,
    Oversize,
    Refused,
    SandboxUnavailable,
    SourceRefused,
    Unauthorized,
)
from fabric.core.ids import InvocationId
from fabric.core.model import Failure, Invocation
from fabric.enclave import run
from fabric.enclave.bundles import BundleShelf, UnknownBundle
from fabric.enclave.containers.model import Bundle, Call, Reply
from fabric.enclave.run import Runner
from fabric.enclave.service import Service
from fabric.enclave.signing.protocol import BatchRequest, Identity, SignedHeader
from fabric.enclave.signing.vault import Vault
from fabric.trust.batch import header_of
from fabric.trust.sources import MAX_INPUT_BYTES, MAX_SHOWN_BYTES
from fabric.wire.codec import Describe, Description, Load, Loaded, MakeEvidence, Run, decode_reply, encode_request
from tests.support.enclaves import (
    ATTESTER,
    CODE,
    EPOCH,
    ISOLATION,
    NATIVE,
    NONCE,
    binding,
    config,
    fingerprint,
    invocation,
)
from tests.support.relays import source

BINDING = binding()


@dataclass
class EchoContainers:
    """Stands where the containers are: answers a call with the size of its input; counts who asked for what."""

    isolation: str = ISOLATION
    asked: list[tuple[bytes, list[Call]]] = field(default_factory=list)
    lost_tenant: bytes = b""
    is_broken: bool = False

    async def run(self, bundle: Bundle, tenant: bytes, calls: Sequence[Call]) -> list[Reply]:
        """Fails for inputs that say so."""
        assert bundle.wheel.exists()
        self.asked.append((tenant, list(calls)))
        if self.is_broken:
            raise SandboxUnavailable("no zygote")
        if tenant == self.lost_tenant:
            raise ContainerLost("gone")
        return [self._reply(call) for call in calls]

    @staticmethod
    def _reply(call: Call) -> Reply:
        if call.input == b"raise":
            return Reply(None, Failure("cryptlet-raised", "it raised"))
        size = "text" if call.input == b"misfit" else len(call.input)
        return Reply(canonical.encode({"sha256": call.input.decode(), "size": size}))


@dataclass
class VaultClient:
    """The signing child's operations without its process; counts round trips."""

    vault: Vault
    trips: list[str] = field(default_factory=list)

    async def describe(self) -> Identity:
        return self.vault.describe()

    async def evidence(self, nonce: bytes) -> bytes:
        return self.vault.evidence(nonce)

    async def entropy(self, invocations: Sequence[InvocationId]) -> list[bytes]:
        self.trips.append("entropy")
        return self.vault.entropy(invocations)

    async def sign(self, batches: Sequence[BatchRequest]) -> list[SignedHeader]:
        self.trips.append("sign")
        return self.vault.sign(batches)


@dataclass
class World:
    """A runner with what it stands on."""

    runner: Runner
    containers: EchoContainers
    signing: VaultClient
    lost: list[bool] = field(default_factory=list)

    async def ask(self, data: bytes) -> object:
        """Returns the decoded reply of the service to any bytes."""
        return decode_reply(await Service(self.runner, lambda: self.lost.append(True)).answer(data))


@pytest.fixture
def world(tmp_path: Path) -> World:
    vault = Vault(config(tmp_path), ATTESTER, CODE)
    vault.begin(ISOLATION)
    containers, signing = EchoContainers(), VaultClient(vault)
    runner = Runner(config(tmp_path), containers, signing, BundleShelf(tmp_path / "bundles"))  # type: ignore[arg-type]
    runner.shelf.load(*fingerprint())
    return World(runner, containers, signing)


def route(destination: str, codec: canonical.JsonObject) -> canonical.JsonObject:
    """Returns a route as a binding spells it."""
    return {"id": destination, "recipient": "00" * 32, "consume": False, "codec": codec}


def run_of(*invocations: Invocation) -> Run:
    """Returns a request under ``BINDING``."""
    return Run(BINDING.document, invocations)


async def test_one_failure_of_each_sort_harms_no_other(world: World) -> None:
    world.containers.lost_tenant = invocation(0, b"", caller="bolt").caller
    calls = (
        invocation(0, b"good"),
        invocation(1, b"raise"),
        invocation(2, b"misfit"),
        invocation(3, b"x" * (MAX_INPUT_BYTES + 1)),
        invocation(4, b"good", method="nothing"),
        invocation(5, b"good", method="file"),
        invocation(6, b"good", caller="bolt"),
        invocation(7, b"also good"),
        invocation(8, b"good", caller="stranger"),
    )
    result = await world.runner.run(run_of(*calls))
    assert [item.invocation for item in result.outcomes] == [call.id for call in calls]
    codes = [item.failure.code if item.failure else None for item in result.outcomes]
    assert codes == [
        None,
        "cryptlet-raised",
        "cryptlet-raised",
        Oversize.code,
        NotFound.code,
        Refused.code,
        ContainerLost.code,
        None,
        Unauthorized.code,
    ]
    for batch in result.batches:
        assert [entry.record.invocation for entry in batch.entries] == [calls[0].id, calls[7].id]
        assert header_of([entry.record for entry in batch.entries], EPOCH) == batch.header
    assert [batch.header.destination for batch in result.batches] == [route.destination for route in BINDING.routes]


async def test_what_a_ledger_shows_may_be_long_under_a_binding_with_sources(world: World) -> None:
    """How long the proof of an event is, is up to whoever made its transaction; what is beyond every proof is named."""
    shows = binding(sources=[source(NATIVE)])
    calls = [invocation(number, b"x" * size) for number, size in enumerate((MAX_INPUT_BYTES + 1, MAX_SHOWN_BYTES + 1))]
    result = await world.runner.run(Run(shows.document, tuple(calls)))
    codes = [outcome.failure.code if outcome.failure else None for outcome in result.outcomes]
    assert codes == [SourceRefused.code, Oversize.code]  # the first was looked at


async def test_results_that_do_not_fit_into_one_reply_are_not_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tuple(invocation(number, b"good") for number in range(4))
    await world.runner.run(run_of(*calls))
    monkeypatch.setattr(run, "MAX_REPLY_BYTES", 4000)
    with pytest.raises(Oversize, match="results of 4 invocations"):
        await world.runner.run(run_of(*calls))
    assert world.signing.trips == ["entropy", "sign", "entropy"]
    await world.runner.run(run_of(calls[0]))


async def test_between_long_results_others_have_their_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TURN_BYTES", 1000)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    await world.runner.run(run_of(*(invocation(number, b"good") for number in range(64))))
    task.cancel()
    assert turns >= 63


async def test_a_batch_takes_two_round_trips_to_the_signing_child(world: World) -> None:
    await world.runner.run(run_of(*(invocation(number, b"good") for number in range(64))))
    assert world.signing.trips == ["entropy", "sign"]


async def test_each_caller_has_a_container_of_its_own(world: World) -> None:
    calls = [invocation(number, b"good", caller=("acme", "bolt")[number % 2]) for number in range(4)]
    await world.runner.run(run_of(*calls))
    tenants = {tenant: [call.invocation for call in asked] for tenant, asked in world.containers.asked}
    assert tenants == {
        calls[0].caller: [calls[0].id, calls[2].id],
        calls[1].caller: [calls[1].id, calls[3].id],
    }


async def test_seeds_are_the_signing_childs(world: World) -> None:
    calls = [invocation(0, b"good"), invocation(1, b"good")]
    await world.runner.run(run_of(*calls))
    ((_, asked),) = world.containers.asked
    assert [call.seed for call in asked] == world.signing.vault.entropy([call.id for call in calls])


async def test_when_all_fail_nothing_is_signed(world: World) -> None:
    result = await world.runner.run(run_of(invocation(0, b"raise")))
    assert result.batches == ()
    assert world.signing.trips == ["entropy"]


async def test_what_is_refused_outright_never_runs(world: World) -> None:
    await world.runner.run(run_of(invocation(0, b"good", method="nothing")))
    assert world.containers.asked == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"measurement": "11" * 32}, UnknownBundle),
        ({"cryptlet": "fingerprint@2.0.0"}, Refused),
        (
            {"destinations": [route("11" * 32, {"kind": "json"})]},
            Refused,
        ),
        (
            {"destinations": [route(NATIVE.id.hex(), {"kind": "x"})]},
            Malformed,
        ),
    ],
)
async def test_a_binding_that_cannot_be_served_is_refused(
    world: World, change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await world.runner.run(Run(binding(**change).document, (invocation(0, b"good"),)))
    assert world.containers.asked == []


@pytest.mark.parametrize("numbers", [[], [1, 1], range(1025)])
async def test_a_batch_is_1_to_1024_different_invocations(world: World, numbers: Sequence[int]) -> None:
    with pytest.raises(Malformed):
        await world.runner.run(run_of(*(invocation(number, b"good") for number in numbers)))


async def test_a_lost_sandbox_gives_the_enclave_up(world: World) -> None:
    world.containers.is_broken = True
    reply = await world.ask(encode_request(run_of(invocation(0, b"good"))))
    assert isinstance(reply, Failure)
    assert reply.code == "sandbox"
    assert world.lost == [True]


async def test_the_service_describes_attests_and_loads(world: World) -> None:
    described = await world.ask(encode_request(Describe()))
    assert isinstance(described, Description)
    assert described.keys == world.signing.vault.describe().keys
    assert not isinstance(await world.ask(encode_request(MakeEvidence(NONCE))), Failure)
    wheel, publication = fingerprint()
    assert await world.ask(encode_request(Load(wheel, publication))) == Loaded(BINDING.measurement)


@given(st.binary(max_size=200))
async def test_any_bytes_get_a_reply(data: bytes) -> None:
    vault = Vault(config(Path("unused")), ATTESTER, CODE)
    service = Service(
        Runner(config(Path("unused")), EchoContainers(), VaultClient(vault), None),  # type: ignore[arg-type]
        lambda: None,
    )
    assert decode_reply(await service.answer(data)) is not None
