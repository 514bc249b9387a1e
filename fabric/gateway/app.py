"""The app: constructs every part of a running fabric, in the order in which they need one another, and ends them.

It is the only place that constructs. What it starts it ends, in reverse, also when the start breaks off half-way.
"""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from fabric.attesters.appraiser.client import AppraiserProcess, launch_appraiser
from fabric.attesters.appraiser.files import AppraiserFolder
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock
from fabric.core.collector import spare_the_collector
from fabric.core.crashpoint import Reached
from fabric.core.ids import DestinationId, FabricId
from fabric.enclave.facts import Facts
from fabric.gateway.backend import Backend, OpenedLedger
from fabric.gateway.config import Config
from fabric.gateway.door import Door, serve
from fabric.gateway.effects import PolicyFile, effects_of_start
from fabric.gateway.enclaves import Enclaves
from fabric.gateway.endpoint import LOCAL_CALLER, Endpoint, OpenLedger, write_ledgers
from fabric.gateway.flow import bundle_of, open_flow
from fabric.gateway.founding import Identity, Standing, attester_key, client_key, make_identity, raise_ledgers
from fabric.gateway.keeper import RayKeeper
from fabric.gateway.ledgers import Ledgers, open_ledgers
from fabric.gateway.membership import member_of
from fabric.gateway.messages import MessageDesk
from fabric.gateway.nodes import NodeEnclaves, Place
from fabric.gateway.operator import Operator
from fabric.gateway.registrar import Registrar
from fabric.gateway.relaying import start_relay
from fabric.gateway.reporting import Reporter
from fabric.gateway.revoking import Revoker, signed_by
from fabric.gateway.state import State, open_state
from fabric.gateway.trusting import appraisal_policy, relying_policy
from fabric.gateway.vouching import Ending, open_catalogue, start_watch
from fabric.invoke.admission import Desk
from fabric.invoke.pipeline import Pipeline
from fabric.ledger.devnet import ChannelClient, EvmAccount
from fabric.relay.relay import AT_ENCLAVE
from fabric.runtime.cluster import Cluster, ClusterConfig
from fabric.runtime.member import Member
from fabric.runtime.pool import Pool, PoolConfig
from fabric.runtime.profile import Profile
from fabric.store.store import Store, open_store
from fabric.trust.destination import Destination
from fabric.trust.kind import Status

RENEWALS: Final = 4
"""Attempts to renew an attestation within its validity."""
_PROFILE: Final = Profile(cpus=0)
STOP_SECONDS: Final = 2.0
"""How long running calls may take to end when the fabric stops."""


@dataclass(frozen=True)
class Ground:
    """What stands before any enclave: state, keys, ledgers, the appraiser, the store.

    Attributes:
        config: the configuration.
        state: the state folder.
        fabric: id of the deployment.
        identity: public halves of the gateway's keys.
        standing: the ledgers.
        appraiser: the embedded appraiser.
        store: the store.
        policy: the policy that the operator's own commands take.
    """

    config: Config
    state: State
    fabric: FabricId
    identity: Identity
    standing: list[Standing]
    appraiser: AppraiserProcess
    store: Store
    policy: PolicyFile

    @property
    def destinations(self) -> dict[DestinationId, Destination]:
        """The ledgers by id."""
        return {item.founded.destination.id: item.founded.destination for item in self.standing}


@dataclass(frozen=True)
class App:
    """A running fabric.

    Attributes:
        endpoint: how to reach it.
        ground: what it stands on.
        pool: its enclaves.
        cluster: its Ray.
    """

    endpoint: Endpoint
    ground: Ground
    pool: Pool
    cluster: Cluster


@asynccontextmanager
async def running(config: Config, clock: Clock, reached: Reached) -> AsyncIterator[App]:
    """Runs a fabric for as long as the block lasts; entered when it serves and its enclaves are registered.

    Call it in the main thread: helpers end with the thread that started them.

    Raises:
        FabricError: a part could not be started; everything started before it is ended.
    """
    async with AsyncExitStack() as stack:
        member = member_of(config)
        ground = await _prepare(config, clock, stack)
        # Ray takes seconds to start and registration waits for blocks: side by side.
        keeper = RayKeeper(_cluster_config(ground, member))
        stack.push_async_callback(keeper.aclose)
        ledgers = await open_ledgers(ground.standing, ground.store, ground.state, clock, reached)
        stack.push_async_callback(ledgers.aclose)
        # Before anything settles: a ledger that joined since the last start has yet to hear of revoked code.
        await _revoker(ground).spread()
        registrar = Registrar(ground.appraiser, ground.store, ledgers.by_id, clock)
        enclaves = await _start_enclaves(ground, registrar, stack)
        yield await _open(ground, ledgers, (registrar, enclaves), keeper, (clock, reached), stack)


async def _prepare(config: Config, clock: Clock, stack: AsyncExitStack) -> Ground:
    state = open_state(config.state)
    stack.callback(state.lock.close)
    state.endpoint.unlink(missing_ok=True)
    # Ray's jail shows this very folder, so it stands before Ray starts; what an earlier run left is of dead enclaves.
    shutil.rmtree(state.enclaves, ignore_errors=True)
    state.enclaves.mkdir(mode=0o700)
    identity = await make_identity(state)
    folder = AppraiserFolder.prepare(state.appraiser)
    appraisers = [await folder.create_keys()]
    standing = await raise_ledgers(state, config, identity, appraisers, clock)
    for item in standing:
        stack.push_async_callback(item.devnet.aclose)
    attesters = [identity.attester, *(bytes.fromhex(node.attester) for node in config.cluster.nodes.values())]
    folder.write_policy(appraisal_policy(config, attesters, standing))
    appraiser = await launch_appraiser(state.appraiser)
    stack.push_async_callback(appraiser.aclose)
    where = state.database if config.store is None else config.store.get_secret_value()
    store = await open_store(where, state.blobs, clock)
    stack.push_async_callback(store.aclose)
    fabric = state.fabric_id()
    await store.claim(fabric)
    policy = PolicyFile(state.policy, relying_policy(config, fabric, appraisers, standing))
    ground = Ground(config, state, fabric, identity, standing, appraiser, store, policy)
    write_ledgers(state.folder, _open_ledgers(ground))
    return ground


def _revoker(ground: Ground) -> Revoker:
    return Revoker(signed_by(ground.appraiser), ground.store, ground.destinations)


async def _start_enclaves(ground: Ground, registrar: Registrar, stack: AsyncExitStack) -> Enclaves:
    config = ground.config
    facts = Facts(ground.fabric, tuple(ground.destinations.values()), ground.state.next_epoch())
    facts.write(config.cluster.facts or ground.state.facts)
    told = facts.config(attester_key(ground.state))
    node = config.cluster.name if config.cluster.head else ""
    enclaves = Enclaves(ground.state.enclaves, told, registrar, _renew_seconds(config), node)
    stack.push_async_callback(enclaves.aclose)
    await enclaves.start(config.runtime.enclaves)
    return enclaves


def _renew_seconds(config: Config) -> float:
    return config.appraisal.validity_seconds / RENEWALS


async def _open(
    ground: Ground,
    ledgers: Ledgers,
    attested: tuple[Registrar, Enclaves],
    keeper: RayKeeper,
    outside: tuple[Clock, Reached],
    stack: AsyncExitStack,
) -> App:
    clock, reached = outside
    registrar, enclaves = attested
    cluster = await keeper.ready()
    ending = Ending(_revoker(ground))
    catalogue = open_catalogue(ground.config, ground.store, clock, ending, ground.policy)
    nodes = _nodes(ground.config, registrar, keeper)
    pool = Pool(
        PoolConfig(_PROFILE, ground.destinations),
        cluster,
        lambda document: bundle_of(catalogue, document),
        lambda lost: nodes.lose(lost) if lost.is_remote else enclaves.replace(pool, lost),
        clock,
    )
    await enclaves.serve(pool)
    keeper.watch(pool)
    spare_the_collector()
    ending.unload = pool.unload
    await start_watch(catalogue, ground.config, ground.store, stack)
    flow = open_flow(ground.config, (pool, catalogue.watch), ground.store, registrar.key_ids, clock, reached)
    pool.listen(flow.batcher.wake)
    nodes.start(pool)
    stack.push_async_callback(nodes.aclose)
    if not enclaves.members:
        await nodes.wait_served()
    stack.push_async_callback(flow.batcher.close)
    ledgers.watch(flow.acceptor)
    pipeline = Pipeline(Desk(ground.fabric, ground.config.gateway.deadline_ms), catalogue, flow.gather, clock)
    relay = start_relay(ground.fabric, ledgers, pipeline, clock, reached)
    pool.listen(partial(relay.there_again, AT_ENCLAVE))
    catalogue.watch.listen(ledgers.hasten)
    catalogue.watch.listen(partial(relay.there_again, AT_ENCLAVE))
    effects = await effects_of_start(ground.store, ledgers, ground.policy, relay)
    opened = _opened(ground)
    backend = Backend(pipeline, ground.store, catalogue, opened, clock, effects)
    reporter = Reporter(ground.fabric, ground.store, ledgers, pool, registrar, cluster.jailed, catalogue.watch)
    operator = Operator(ledgers, ground.store, reporter, _revoker(ground), clock)
    messages = MessageDesk(ground.store, relay, opened, ledgers.takers, ledgers.look)
    target = await _open_door(ground, partial(Door, backend, operator, messages), stack)
    endpoint = Endpoint(target, ground.fabric, os.getpid(), _open_ledgers(ground))
    endpoint.write(ground.state.folder)
    stack.callback(ground.state.endpoint.unlink, missing_ok=True)
    return App(endpoint, ground, pool, cluster)


async def _open_door(ground: Ground, make: Callable[[Mapping[str, str]], Door], stack: AsyncExitStack) -> str:
    config = ground.config.gateway
    callers = config.callers | {LOCAL_CALLER: ground.state.local_key_digest()}
    opened = await serve(make(callers), config.listen)
    stack.push_async_callback(opened.close, STOP_SECONDS)
    return f"{config.listen.rpartition(':')[0]}:{opened.port}"


def _opened(ground: Ground) -> dict[DestinationId, OpenedLedger]:
    return {
        item.founded.destination.id: OpenedLedger(
            item.name, item.founded.destination, _final_status(item), item.founded.trust
        )
        for item in ground.standing
    }


def _final_status(item: Standing) -> Status:
    best = item.founded.minimum_status
    return best if best is Status.OPERATOR_FINAL else Status.FINAL


def _open_ledgers(ground: Ground) -> dict[str, OpenLedger]:
    return {
        item.name: OpenLedger(
            item.founded.destination,
            _settings(ground, item),
            ground.identity.relayer if isinstance(item.founded.signer, EvmAccount) else b"",
        )
        for item in ground.standing
    }


def _settings(ground: Ground, item: Standing) -> JsonObject:
    """Returns a ledger's settings for the commands, which ask a channel's peers in the name of the fabric's client."""
    if not isinstance(item.founded.signer, ChannelClient):
        return item.founded.settings
    return {"key": str(client_key(ground.state).absolute()), **item.founded.settings}


def _cluster_config(ground: Ground, member: Member | None) -> ClusterConfig:
    state, runtime = ground.state, ground.config.runtime
    return ClusterConfig(
        folder=state.ray,
        hidden=(state.folder,),
        reachable=(state.enclaves,),
        cpus=runtime.cpus if member is None else 0,
        allow_unjailed_ray=runtime.allow_unjailed_ray,
        member=member,
    )


def _nodes(config: Config, registrar: Registrar, keeper: RayKeeper) -> NodeEnclaves:
    nodes = config.cluster.nodes.items()
    places = [Place(name, number) for name, node in nodes for number in range(1, node.enclaves + 1)]
    return NodeEnclaves(places, _PROFILE, registrar, lambda: keeper.cluster, _renew_seconds(config))
