"""The story: a refrigerated pharma shipment, step by step; the first step that does not hold ends it with an error."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from fabric.cli.calls import open_client
from fabric.cli.demo import fleet
from fabric.cli.demo.account import Ending, Entry
from fabric.cli.demo.bindings import shipment_binding
from fabric.cli.demo.claims import Claims
from fabric.cli.demo.ground import Ground, bind_relay
from fabric.cli.demo.post import Post
from fabric.cli.demo.progress import Progress
from fabric.client import Call, Client, RemoteError, Result
from fabric.core import plugins
from fabric.core.canonical import JsonObject
from fabric.core.clock import SystemClock
from fabric.core.errors import PlatformError
from fabric.core.ids import NOBODY, InvocationId, Measurement, caller_account, parse_word
from fabric.gateway.endpoint import LOCAL_CALLER, Endpoint
from fabric.gateway.kinds import load_kind
from fabric.ledger.devnet import Contract, Integrator
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from fabric.wire.service import InvokeRequest

CONTRACT: Final = "ShipmentContract"
METHOD: Final = "judge"
WAIT_SECONDS: Final = 120
POLL_SECONDS: Final = 0.25
CONSUMED_INDEX: Final = 16
"""Which of the streamed shipments the contract consumes from the batch."""


class Story:
    """One run of the demo."""

    def __init__(self, folder: Path, shipments: int, seed: int, progress: Progress, *, poa: bool = False) -> None:
        """Takes the run's own folder, the number of streamed shipments and the seed of their logger files.

        ``poa`` takes a proof-of-authority network for the Ethereum ledger, instead of anvil.
        """
        self._folder = folder
        self._network = _POA if poa else ""
        self._shipments = shipments
        self._seed = seed
        self._progress = progress
        self._clock = SystemClock()
        self._ending = Ending(folder, ledgers=_LEDGERS | {"ethereum": _GETH if poa else _ANVIL})
        self._state = folder / "state"

    async def tell(self) -> Ending:
        """Tells the whole story.

        Raises:
            FabricError: the first thing that did not hold.
        """
        async with self._timed("total"):
            async with self._timed("build"):
                config, measurement = await self._build_and_publish()
            async with self._started(config) as ready:
                self._ending.ready = ready
                await self._with_fabric(measurement)
            async with self._timed("verify"):
                await self._verify_and_refuse()
        return self._ending

    async def _build_and_publish(self) -> tuple[Path, Measurement]:
        """Step 1: a reproducible bundle, measured, signed, in a registry folder."""
        step = self._progress.step("build, measure, sign, publish", 2)
        project = _cryptlets() / "contract" / "cold_chain"
        registry = self._state / "registry"
        built = await fleet.run("build", str(project), "--out", str(self._folder / "dist"))
        step.done()
        key = self._folder / "publisher.key"
        published = await fleet.run("publish", str(built["wheel"]), "--registry", str(registry), "--key", str(key))
        step.done()
        self._ending.bundle = built | published
        config = self._folder / "cryptlet-fabric.toml"
        text = _CONFIG.format(state=self._state, registry=registry, publisher=published["publisher"])
        config.write_text(text + self._network)
        return config, Measurement(parse_word(published["measurement"], "measurement"))

    @asynccontextmanager
    async def _started(self, config: Path) -> AsyncIterator[JsonObject]:
        """Step 2: ledgers, enclave, appraiser, Ray, gateway; ready once the key is registered on both ledgers."""
        step = self._progress.step("start: ledgers, enclave, appraiser, Ray")
        begun = self._clock.monotonic_seconds()
        async with fleet.fabric_up(config, self._folder / "fabric.log") as ready:
            self._ending.seconds["start"] = self._clock.monotonic_seconds() - begun
            step.done()
            yield ready

    async def _with_fabric(self, measurement: Measurement) -> None:
        endpoint = Endpoint.read(self._state)
        settings = endpoint.ledgers["ethereum"].settings
        opener = cast("Callable[..., object]", plugins.load(plugins.INTEGRATORS, "ethereum"))
        integrator = cast("Integrator", await opener(settings, self._folder / "integrator"))  # type: ignore[misc]
        try:
            async with open_client(self._state) as client:
                async with self._timed("contract"):
                    asked = await self._judge_by_contract(client, integrator, endpoint, measurement)
                ground = Ground(
                    self._folder,
                    self._state,
                    _cryptlets(),
                    endpoint,
                    client,
                    integrator,
                    measurement,
                    self._progress,
                )
                async with self._timed("claims"):
                    bindings = await bind_relay(ground)
                    claims, post = Claims(ground, bindings), Post(ground, bindings)
                    await claims.begin()
                async with self._timed("post"), aclosing(post):
                    await post.begin()
                async with self._timed("stream"):
                    contract, streamed = await self._stream(client, integrator, endpoint, measurement)
                async with self._timed("proofs"):
                    await self._collect([asked, *streamed], client)
                    await self._consume_one(contract, integrator, streamed[min(CONSUMED_INDEX, len(streamed) - 1)])
                async with self._timed("messages"):
                    self._ending.claims, self._ending.post = await claims.end(), await post.end()
                    self._ending.deposits = await claims.deposits()
        finally:
            await integrator.aclose()

    async def _judge_by_contract(
        self, client: Client, integrator: Integrator, endpoint: Endpoint, measurement: Measurement
    ) -> InvocationId:
        """Step 3: a contract stores a file's digest and asks; the verdict is written back."""
        step = self._progress.step("contract asks, verdict written back", 4)
        contract = await integrator.deploy(CONTRACT, measurement, NOBODY)
        binding = shipment_binding("shipment-contract", measurement, endpoint, contract.account, asks=True)
        await contract.bind(await client.put_binding(binding.document))
        step.done()
        logger_file = _cryptlets() / "contract" / "cold_chain" / "samples" / "good.csv"
        digest = await client.put_blob(logger_file.read_bytes())
        invocation = await contract.request(digest)
        step.done()
        result = await self._until(client, invocation, _is_consumed)
        step.done()
        written = next(item.consumption_locator for item in result.anchors if item.consumption)
        self._ending.verdict = {
            "contract": f"0x{contract.account.hex()[24:]}",
            "invocation": invocation.hex(),
            "written_back": written,
            **await contract.read(),
        }
        step.done()
        return invocation

    async def _stream(
        self, client: Client, integrator: Integrator, endpoint: Endpoint, measurement: Measurement
    ) -> tuple[Contract, list[InvocationId]]:
        """Step 4: further shipments through one gRPC stream, anchored as one batch a ledger."""
        contract = await integrator.deploy(CONTRACT, measurement, caller_account(LOCAL_CALLER))
        binding = shipment_binding("shipments", measurement, endpoint, contract.account, asks=False)
        await contract.bind(await client.put_binding(binding.document))
        files = await _logger_files(self._folder / "shipments", self._shipments, self._seed)
        step = self._progress.step("stream further shipments", len(files))
        calls = tuple(Call(METHOD, data, f"shipment-{number}") for number, data in enumerate(files))
        invocations = []
        async for reply in client.stream(_once(InvokeRequest("shipments", calls))):
            for answer in reply.answers:
                if answer.failure:
                    raise PlatformError(f"a shipment was not judged: {answer.failure}")
                invocations.append(InvocationId(answer.invocation))
                step.done()
        anchored = self._progress.step("anchor on every ledger", len(invocations))
        for invocation in invocations:
            await self._until(client, invocation, _is_anchored)
            anchored.done()
        return contract, invocations

    async def _consume_one(self, contract: Contract, integrator: Integrator, invocation: InvocationId) -> None:
        """Step 4, its end: on chain, every anchor is confirmed and one record is consumed from the batch."""
        proofs = [entry.proof.read_bytes() for entry in self._ending.entries if entry.ledger == "ethereum"]
        confirmed = await integrator.check(proofs)
        if not all(confirmed):
            raise PlatformError(f"the contract confirms {sum(confirmed)} of {len(confirmed)} anchors")
        self._ending.checked_on_chain = len(confirmed)
        path = self._proof_path(invocation, "ethereum")
        self._ending.consumed = {"invocation": invocation.hex(), **await contract.consume(path.read_bytes())}

    async def _collect(self, invocations: list[InvocationId], client: Client) -> None:
        """Fetches the proof of every result on every ledger."""
        (self._folder / "proofs").mkdir()
        step = self._progress.step("fetch proofs", len(invocations))
        for invocation in invocations:
            result = await client.result(invocation)
            for anchor in result.anchors:
                path = self._proof_path(invocation, anchor.ledger)
                path.write_bytes(await client.proof(invocation, anchor.destination))
                self._ending.entries.append(
                    Entry(
                        invocation=invocation.hex(),
                        cryptlet=result.cryptlet,
                        ledger=anchor.ledger,
                        locator=anchor.locator,
                        proof=path,
                        status=anchor.status,
                        time=0,
                        cost=dict(anchor.cost),
                    )
                )
            step.done()

    async def _verify_and_refuse(self) -> None:
        """Step 5: the fabric is gone; every proof is checked from its file alone, then one byte is flipped."""
        policy = Policy.parse((self._state / "policy.json").read_bytes())
        step = self._progress.step("verify every proof offline", len(self._ending.entries))
        for number, entry in enumerate(self._ending.entries):
            verified = verify(entry.proof.read_bytes(), policy, load_kind)
            self._ending.entries[number] = Entry(**{**vars(entry), "time": verified.anchorage.time})
            step.done()
        for message in self._ending.messages:
            for path in message.proofs:
                verify(path.read_bytes(), policy, load_kind)
        chosen = self._ending.entries[-1].proof
        arguments = ("verify", str(chosen), "--state", str(self._state))
        self._ending.accepted = await fleet.run(*arguments)
        flipped = self._folder / "flipped.proof.json"
        flipped.write_bytes(_flip_one_byte(chosen.read_bytes()))
        code, out, complaint = await fleet.attempt("verify", str(flipped), "--state", str(self._state), "--json")
        if code != 3:  # noqa: PLR2004 - the exit code of a refusal
            raise PlatformError(f"a proof with a flipped byte was not refused: exit {code} {out} {complaint}")
        self._ending.refusal = json.loads(out)

    async def _until(self, client: Client, invocation: InvocationId, holds: Callable[[Result], bool]) -> Result:
        deadline = self._clock.monotonic_seconds() + WAIT_SECONDS
        last = "no result yet"
        while self._clock.monotonic_seconds() < deadline:
            try:
                result = await client.result(invocation)
            except RemoteError as error:
                last = str(error)
            else:
                if holds(result):
                    return result
                last = str(result.anchors)
            await asyncio.sleep(POLL_SECONDS)
        raise PlatformError(f"invocation {invocation.hex()} is not where it should be after {WAIT_SECONDS} s: {last}")

    @asynccontextmanager
    async def _timed(self, name: str) -> AsyncIterator[None]:
        begun = self._clock.monotonic_seconds()
        yield
        self._ending.seconds[name] = self._clock.monotonic_seconds() - begun

    def _proof_path(self, invocation: InvocationId, ledger: str) -> Path:
        return self._folder / "proofs" / f"{invocation.hex()[:16]}.{ledger}.proof.json"


_LEDGERS: Final = {
    "native": "an append-only log with a sequencer of the fabric's own",
    "hyperledger": "the embedded ledger: the real protocol, one process with every organisation's keys",
}
_ANVIL: Final = "anvil, an EVM node for development"
_GETH: Final = "three geth signers, a proof-of-authority network"
_CONFIG: Final = """\
state = "{state}"
registry = "{registry}"

[publishers]
demo = "{publisher}"

[gateway]
listen = "127.0.0.1:0"

[ledgers.native]
kind = "native"

[ledgers.hyperledger]
kind = "hyperledger"

[ledgers.ethereum]
kind = "ethereum"
"""
_POA: Final = """\
options = { network = "clique" }
"""


def _is_anchored(result: Result) -> bool:
    return bool(result.anchors) and all(item.status in ("operator-final", "final") for item in result.anchors)


def _is_consumed(result: Result) -> bool:
    if refused := [item for item in result.anchors if item.consumption.startswith("refused")]:
        raise PlatformError(f"the contract refused the verdict: {refused[0].consumption}")
    return _is_anchored(result) and any(item.consumption == "final" for item in result.anchors)


def _flip_one_byte(data: bytes) -> bytes:
    """Flips the lowest bit of one digit of the verdict's output: the file stays canonical JSON, its meaning changes."""
    at = data.index(b'"mean_kinetic_millicelsius":', data.index(b'"output":')) + len(b'"mean_kinetic_millicelsius":')
    at += data[at] == ord("-")
    while data[at + 1 : at + 2].isdigit():
        at += 1
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


async def _once(request: InvokeRequest) -> AsyncIterator[InvokeRequest]:
    yield request


def _cryptlets() -> Path:
    spec = find_spec("cryptlets")
    if spec is None or spec.origin is None:
        raise PlatformError("package 'cryptlets' is not installed: run the demo from a checkout, with `make demo`")
    return Path(spec.origin).parent


async def _logger_files(folder: Path, count: int, seed: int) -> list[bytes]:
    """Has the sample generator write short logger files and returns them."""
    script = _cryptlets() / "contract" / "cold_chain" / "samples" / "generate.py"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), "--fleet", str(count), "--seed", str(seed), "--out", str(folder))
    )
    if await process.wait():
        raise PlatformError(f"{script} failed")
    return _contents(folder)


def _contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]
