"""A genuine proof-of-authority network: found again after every end, sealed by whoever is there, truly reorganised."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from adapters.ethereum import headers, seals
from adapters.ethereum.clique import Clique, Options
from adapters.ethereum.destination import Ethereum
from adapters.ethereum.devnet import EthereumDevnet, start
from adapters.ethereum.genesis import ground
from adapters.ethereum.seals import IN_TURN, OUT_OF_TURN, limit
from fabric.core.canonical import JsonObject
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, ForeignLedger, LedgerUnavailable
from fabric.ledger.devnet import Founding
from fabric.ledger.port import Phase, Receipt, Settle, Submission
from fabric.trust.kind import Source, Status
from fabric.trust.policy import Appraiser
from tests.support import batches
from tests.support.evm import RELAYER
from tests.support.poa import FINALITY, MARKS, Chain, Deployed, block
from tests.support.waiting import until

pytestmark = [*MARKS, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

OPTIONS: Final[JsonObject] = {"network": "clique", "finality": FINALITY, "dies_with_parent": True}
KEYS: Final = batches.APPRAISER.public
FOUNDING: Final = Founding("ethereum", (Appraiser(KEYS.ed25519, KEYS.address),), 1, RELAYER.address, KEYS.ed25519)
SIGNERS: Final = 3
PAUSE_SECONDS: Final = 0.1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    async with await Clique.start(tmp_path_factory.mktemp("clique"), Options(dies_with_parent=True)) as network:
        started = Chain(network)
        yield started
        await started.rpc.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def place(chain: Chain, request: pytest.FixtureRequest) -> AsyncIterator[Deployed]:
    """A deployment with a registered enclave."""
    deployed = await chain.deploy(request.node.name)
    register = await deployed.register()
    (submission,) = await deployed.send(register)
    await deployed.until(Phase.FINAL, register, submission)
    yield deployed
    await deployed.ledger.aclose()


async def devnet(folder: Path, **options: str | int) -> EthereumDevnet:
    return await start(folder, OPTIONS | options, FrozenClock())


async def headers_of(chain: Chain, first: int, last: int) -> list[headers.BlockHeader]:
    url = chain.network.url
    return [headers.read((await block(url, number)).header) for number in range(first, last + 1)]


async def test_the_whole_life_of_a_development_ledger(tmp_path: Path) -> None:
    first = await devnet(tmp_path)
    founded = await first.found(FOUNDING)
    assert isinstance(first.network, Clique)
    assert founded.trust == {"engine": "clique", "signers": [each.hex() for each in first.network.signers]}
    assert (founded.minimum_status, founded.accept_asserted) == (Status.FINAL, False)

    found = await devnet(tmp_path)
    assert (await found.describe())["urls"] == (await first.describe())["urls"], "the nodes that run were found"
    await first.network.kill()
    second = await devnet(tmp_path)
    assert await second.found(FOUNDING) == founded, "a kill of every node loses nothing that was final"
    await second.aclose()

    with pytest.raises(ConfigError, match=r"chain 31337 with 1 s.*configured are 7 and 1 s"):
        await devnet(tmp_path, chain_id=7)
    for node in range(SIGNERS):
        shutil.rmtree(tmp_path / "clique" / f"node-{node}" / "geth")
    await _refused(tmp_path, "no contract")
    shutil.rmtree(tmp_path / "clique")
    await _refused(tmp_path, "genesis block")
    (tmp_path / "clique" / "genesis.json").write_text("{}")
    with pytest.raises(ConfigError, match="spoiled"):
        await devnet(tmp_path)


async def _refused(folder: Path, why: str) -> None:
    wiped = await devnet(folder)
    try:
        with pytest.raises(ForeignLedger, match=why):
            await wiped.found(FOUNDING)
    finally:
        await wiped.aclose()


async def test_nodes_listen_on_loopback_alone(chain: Chain) -> None:
    assert chain.network.pids
    for pid in chain.network.pids:
        assert _listening(pid) == {"0100007F"}


def _listening(pid: int) -> set[str]:
    """Returns the addresses on which a process listens, as proc(5) spells them."""
    held = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    found = set()
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == state and f"socket:[{row[9]}]" in held:
                found.add(row[1].partition(":")[0])
    return found


async def test_blocks_are_sealed_by_the_signers_in_turn(chain: Chain) -> None:
    head = await chain.reach(2 * SIGNERS)
    read = await headers_of(chain, 1, head.number)
    assert {len(each.extra) for each in read} == {97}
    assert seals.judge(read, chain.network.signers) == (Status.FINAL, Source.PROVEN)


async def test_the_others_go_on_without_one_out_of_turn(chain: Chain) -> None:
    gone = chain.network.signers[2]
    await chain.network.stop(2, signal.SIGKILL)
    try:
        begun = (await chain.head()).number
        await chain.pass_blocks(2 * SIGNERS)
    finally:
        await chain.network.resume(2)
    read = await headers_of(chain, begun + 2, begun + 2 * SIGNERS)
    assert gone not in map(seals.sealer, read)
    assert {each.difficulty for each in read} == {IN_TURN, OUT_OF_TURN}
    assert seals.judge(read, chain.network.signers) == (Status.FINAL, Source.PROVEN)
    await chain.reach((await chain.head()).number, node=2)


async def test_a_receipt_is_proven_once_enough_signers_built_on_it(place: Deployed) -> None:
    work = await place.settle(1)
    (submission,) = await place.send(work)
    early = (await place.until(Phase.INCLUDED, work, submission)).receipt
    late = (await place.until(Phase.FINAL, work, submission)).receipt
    assert early
    assert late
    trust = place.chain.trust
    assert judged(place, work, early, trust) == (Status.INCLUDED, Source.ASSERTED)
    assert judged(place, work, early, {}) == (Status.INCLUDED, Source.ASSERTED)
    assert judged(place, work, late, trust) == (Status.FINAL, Source.PROVEN)
    following = late.material["following"]
    assert isinstance(following, list)
    assert len(following) == FINALITY > limit(SIGNERS)
    again = (await place.until(Phase.FINAL, work)).receipt
    assert again == late, "whoever asks, and whenever"


def judged(place: Deployed, work: Settle, receipt: Receipt, trust: JsonObject) -> tuple[Status, Source]:
    shown = Ethereum().check_receipt(place.destination, work.header, receipt.material, trust)
    return shown.status, shown.source


async def test_what_a_reorg_between_signers_takes_back_happens_once(place: Deployed) -> None:
    network, work = place.chain.network, await place.settle(1)
    (submission,) = await place.ledger.prepare([work], [])
    await _part(place, submission)
    try:
        lost = (await place.until(Phase.INCLUDED, work, submission)).receipt
        assert lost
        # The side of two grows for as long as it likes; a side of one ends with its first block.
        await place.chain.reach(lost.position + limit(SIGNERS), node=1)
        assert (await place.chain.head()).number == lost.position
    finally:
        await _join(network)

    async def is_replaced() -> bool:
        return (await block(network.url, lost.position)).hash.hex() != _block_hash(lost)

    await until(is_replaced)
    settled = await _drive(place, work, submission)
    assert _block_hash(settled) != _block_hash(lost)
    assert judged(place, work, settled, place.chain.trust) == (Status.FINAL, Source.PROVEN)
    for url in network.urls:
        assert (await block(url, settled.position)).hash.hex() == _block_hash(settled)
    assert len(await _settlements(place, work)) == 1


async def _part(place: Deployed, submission: Submission) -> None:
    """Parts the first node from the others, with a transaction that only it knows and that is in its next block."""
    network = place.chain.network
    while True:
        await network.stop(0)
        await network.resume(0, is_alone=True, seals=False)
        head = headers.read((await place.chain.head()).header)
        if seals.sealer(head) != network.signers[0]:
            break
        # It sealed the last block, so that alone it could seal no other.
        await _join(network)
        await place.chain.pass_blocks(1)
    await place.ledger.submit([submission])
    await network.stop(0)
    await network.resume(0, is_alone=True)


async def _join(network: Clique) -> None:
    await network.stop(0)
    await network.resume(0)


async def _drive(place: Deployed, work: Settle, submission: Submission) -> Receipt:
    """Observes until the work is final, as a dispatcher does: where it is absent, the stored bytes are sent again."""
    while True:
        try:
            (seen,) = await place.ledger.observe([(work, submission)])
        except LedgerUnavailable:
            # A block was replaced while it was read.
            continue
        if seen.phase is Phase.FINAL:
            assert seen.receipt
            return seen.receipt
        if seen.phase is Phase.ABSENT:
            await place.ledger.submit([submission])
        await asyncio.sleep(PAUSE_SECONDS)


def _block_hash(receipt: Receipt) -> str:
    where = receipt.material["block"]
    assert isinstance(where, dict)
    return str(where["hash"])


async def _settlements(place: Deployed, work: Settle) -> list[object]:
    """Returns every event of a batch's settlement."""
    wanted: JsonObject = {
        "address": "0x" + place.destination.settlement[-20:].hex(),
        "fromBlock": "0x0",
        "topics": [None, "0x" + work.header.batch_id.hex()],
    }
    (found,) = await place.chain.rpc.ask([("eth_getLogs", [wanted])])
    assert isinstance(found, list)
    return [*found]


@pytest.mark.parametrize(("option", "value"), [("finality", limit(SIGNERS)), ("finality", 65), ("block_seconds", 0)])
async def test_options_that_a_clique_network_cannot_take_are_named(tmp_path: Path, option: str, value: int) -> None:
    with pytest.raises(ConfigError, match=rf"'{option}': a clique network"):
        await devnet(tmp_path, **{option: value})
    assert not (tmp_path / "clique").exists()


async def test_a_genesis_block_that_geth_does_not_take_is_told(tmp_path: Path) -> None:
    refusing = tmp_path / "geth"
    refusing.write_text("#!/bin/sh\necho 'Fatal: no such thing' >&2\nexit 1\n")
    refusing.chmod(0o755)
    with pytest.raises(LedgerUnavailable, match="no such thing"):
        ground(tmp_path / "clique", 1, 1, 10**7, refusing)
