"""What a development ledger can stand on: anvil, one node whose blocks carry no seals, or a clique network of three."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.ethereum import anvil, clique, seals
from adapters.ethereum.anchorage import MAX_FOLLOWING
from adapters.ethereum.rpc import Rpc
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import ConfigError
from fabric.core.plugins import nearest


class Network(Protocol):
    """One running node, or several that make one chain."""

    @property
    def folder(self) -> Path:
        """Where it keeps its state."""
        ...

    @property
    def url(self) -> str:
        """JSON-RPC over HTTP of the node that the fabric uses."""
        ...

    @property
    def signers(self) -> tuple[bytes, ...]:
        """Who seals its blocks, ascending, 20 bytes each; empty where blocks carry no seals."""
        ...

    async def describe(self) -> JsonObject:
        """Returns what people need to use it; raises ``LedgerUnavailable``."""
        ...

    async def fund(self, rpc: Rpc, address: bytes) -> None:
        """Gives an account enough wei to work with."""
        ...

    async def aclose(self) -> None:
        """Ends it; its state stays."""
        ...


class DevnetOptions(BaseModel):
    """What the configuration says of the development ledger.

    Attributes:
        network: ``anvil``, or ``clique`` for a genuine proof-of-authority network of three geth nodes.
        block_seconds: time between blocks; 0 makes one for each transaction, on anvil.
        finality: how many blocks must follow a block until it counts as final; on clique more than can be replaced.
        chain_id: EIP-155 chain id.
        port: on 127.0.0.1; 0 takes a free one.
        dies_with_parent: whether the nodes end when the process that started them does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["anvil", "clique"] = "anvil"
    block_seconds: Annotated[int, Field(ge=0, le=3600)] = 1
    finality: Annotated[int, Field(ge=0, le=1000)] = 4
    chain_id: Annotated[int, Field(ge=1, lt=2**53)] = 31337
    port: Annotated[int, Field(ge=0, lt=65536)] = 0
    dies_with_parent: bool = False


def parse_options(options: Mapping[str, JsonValue]) -> DevnetOptions:
    """Reads the options; raises ``ConfigError`` naming the key."""
    try:
        read = DevnetOptions.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = nearest(key, list(DevnetOptions.model_fields))
        told = known if first["type"] == "extra_forbidden" else f": {first['msg']}"
        message = f"ethereum development ledger: {key!r}{told}"
        raise ConfigError(message) from error
    if read.network == "clique":
        _check_clique(read)
    return read


async def start_network(folder: Path, wanted: DevnetOptions) -> Network:
    """Starts the network in a folder, or finds the one that runs there.

    Raises:
        ConfigError: no anvil or geth of the right version, or a folder that holds another network.
        LedgerUnavailable: a node does not start.
    """
    common = (wanted.chain_id, wanted.block_seconds, wanted.port)
    if wanted.network == "clique":
        return await clique.Clique.start(folder, clique.Options(*common, dies_with_parent=wanted.dies_with_parent))
    return await anvil.Anvil.start(folder, anvil.Options(*common, dies_with_parent=wanted.dies_with_parent))


def _check_clique(options: DevnetOptions) -> None:
    # Each signer may seal one of so many blocks in a row, so that up to here a minority may have made them all.
    shallow = seals.limit(clique.SIGNERS)
    if not shallow < options.finality <= MAX_FOLLOWING:
        message = (
            f"ethereum development ledger: 'finality': a clique network of {clique.SIGNERS} signers takes"
            f" {shallow + 1} to {MAX_FOLLOWING}, configured is {options.finality}"
        )
        raise ConfigError(message)
    if options.block_seconds < 1:
        message = "ethereum development ledger: 'block_seconds': a clique network makes blocks by time, 1 s or more"
        raise ConfigError(message)
