"""The development ledger: anvil in a folder with one settlement deployment, found again after a restart.

An operator's and an appraiser's keys never come here: the deployment pins addresses, and the node's own development
account pays for it.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from eth_abi.abi import encode
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.ethereum import answers, contracts
from adapters.ethereum.accounts import DEPLOY_GAS, NodeAccount, created
from adapters.ethereum.anvil import Anvil, Options
from adapters.ethereum.plugin import destination_of, identify
from adapters.ethereum.rpc import Call, Rpc
from adapters.ethereum.settings import parse_settings
from adapters.ethereum.view import block_call
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger, Malformed
from fabric.core.plugins import nearest
from fabric.ledger.devnet import EvmAccount, Founded, Founding
from fabric.trust.destination import Destination
from fabric.trust.fields import read_object
from fabric.trust.kind import Status
from fabric.trust.schemes import ADDRESS_BYTES

DEPLOYER: Final = 0
"""Number of the node's account that deploys settlement."""
RELAYER_WEI: Final = 10**21
SALT_BYTES: Final = 32
_KEPT: Final = frozenset({"founders", "settings"})


class DevnetOptions(BaseModel):
    """What the configuration says of the development ledger.

    Attributes:
        block_seconds: time between blocks; 0 makes one for each transaction.
        finality: how many blocks must follow a block until it counts as final.
        chain_id: EIP-155 chain id.
        port: on 127.0.0.1; 0 takes a free one.
        dies_with_parent: whether the node ends when the process that started it does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    block_seconds: Annotated[int, Field(ge=0, le=3600)] = 1
    finality: Annotated[int, Field(ge=0, le=1000)] = 4
    chain_id: Annotated[int, Field(ge=1, lt=2**53)] = 31337
    port: Annotated[int, Field(ge=0, lt=65536)] = 0
    dies_with_parent: bool = False


@dataclass(frozen=True)
class Deployment:
    """A settlement contract as it was deployed.

    Attributes:
        destination: what its id commits to.
        block: number of its first block.
    """

    destination: Destination
    block: int


async def start(folder: Path, options: Mapping[str, JsonValue], clock: Clock) -> "EthereumDevnet":
    """Starts the node in a folder, or finds the one that runs there.

    Args:
        folder: where its state lies.
        options: see ``DevnetOptions``.
        clock: unused; a block's time is the node's.

    Raises:
        ConfigError: unknown or wrong option, or no anvil of the right version.
        LedgerUnavailable: the node does not start.
    """
    del clock
    wanted = _options(options)
    node = await Anvil.start(
        folder,
        Options(
            chain_id=wanted.chain_id,
            block_seconds=wanted.block_seconds,
            port=wanted.port,
            dies_with_parent=wanted.dies_with_parent,
        ),
    )
    return EthereumDevnet(node, wanted.finality)


class EthereumDevnet:
    """A development ledger (``fabric.ledger.devnet.Devnet``)."""

    def __init__(self, node: Anvil, finality: int) -> None:
        """Takes a running node."""
        self.node = node
        self._finality = finality

    async def found(self, founding: Founding) -> Founded:
        """Deploys settlement, or returns the deployment that the folder holds; funds the relayer either way.

        Raises:
            ForeignLedger: the folder holds a deployment of other founders, or of a ledger that is gone.
            ConfigError: the file of the deployment is spoiled.
            Reverted: the contract refuses the founders.
            LedgerError: the node does not answer.
        """
        rpc = Rpc(self.node.url)
        try:
            settings = self._kept(founding) or await self._deploy(rpc, founding)
            destination = await identify(rpc, parse_settings(settings))
            await fund(rpc, founding.relayer)
        finally:
            await rpc.aclose()
        # Without seals a receipt is the node's word, and the node is the operator's own.
        signer = EvmAccount(destination.chain_number, destination.settlement[-ADDRESS_BYTES:])
        return Founded(destination, settings, {}, Status.INCLUDED, accept_asserted=True, signer=signer)

    async def aclose(self) -> None:
        """Ends the node; its state stays in the folder."""
        await self.node.aclose()

    def _kept(self, founding: Founding) -> JsonObject | None:
        """Returns the settings of the deployment that the folder holds."""
        if not self._place.exists():
            return None
        try:
            kept = read_object(canonical.parse(self._place.read_bytes()), _KEPT, str(self._place))
        except (OSError, Malformed) as error:
            message = f"{self._place} is spoiled ({error}): put it back, or remove {self.node.folder} for a new chain"
            raise ConfigError(message) from error
        founders, settings = kept["founders"], kept["settings"]
        if founders != _founders(founding):
            message = f"{self._place}: settlement was deployed for other appraisers or another threshold"
            raise ForeignLedger(message)
        if not isinstance(settings, dict):
            message = f"{self._place}: settings is no object"
            raise ConfigError(message)
        # The port may be another one after a restart.
        return settings | {"finality": self._finality, "url": self.node.url}

    async def _deploy(self, rpc: Rpc, founding: Founding) -> JsonObject:
        appraisers = [appraiser.address for appraiser in founding.appraisers]
        deployer = await NodeAccount.open(rpc, DEPLOYER)
        made = await deploy_settlement(deployer, appraisers, founding.threshold, secrets.token_bytes(SALT_BYTES))
        settings: JsonObject = settings_of(made, self.node.url) | {"finality": self._finality}
        draft = self._place.with_suffix(".draft")
        draft.write_text(json.dumps({"founders": _founders(founding), "settings": settings}))
        draft.replace(self._place)
        return settings

    @property
    def _place(self) -> Path:
        return self.node.folder / "deployment.json"


async def deploy_settlement(deployer: NodeAccount, appraisers: list[bytes], threshold: int, salt: bytes) -> Deployment:
    """Deploys the settlement contract.

    Args:
        deployer: who pays; has no rights afterwards.
        appraisers: addresses whose word counts, 20 bytes each; pinned for ever.
        threshold: how many of them must agree.
        salt: random, 32 bytes.

    Raises:
        Reverted: the contract refuses them.
        LedgerError: the node does not answer or did not take the transaction.
    """
    rpc = deployer.rpc
    asked: list[Call] = [("eth_chainId", []), block_call(0)]
    stated, first = await rpc.ask(asked)
    with answers.reading():
        chain_id, genesis = answers.quantity(stated, "chain id"), answers.block(first).hash
    addresses = ["0x" + address.hex() for address in sorted(appraisers)]
    arguments = encode(["address[]", "uint256", "bytes32", "bytes32"], [addresses, threshold, genesis, salt])
    outcome = await deployer.send(b"", contracts.load("Settlement").bytecode + arguments, DEPLOY_GAS)
    address = await created(rpc, outcome)
    return Deployment(destination_of(chain_id, genesis, address, salt), outcome.block)


def settings_of(made: Deployment, url: str) -> JsonObject:
    """Returns what ``open_ledger`` takes for a deployment behind a URL."""
    destination = made.destination
    return {
        "chain_id": destination.chain_number,
        "genesis": destination.genesis.hex(),
        "salt": destination.salt.hex(),
        "settlement": "0x" + destination.settlement[-20:].hex(),
        "start": made.block,
        "url": url,
    }


async def fund(rpc: Rpc, address: bytes, wei: int = RELAYER_WEI) -> None:
    """Gives an account of a development node so much wei, whatever it had before."""
    await rpc.ask([("anvil_setBalance", ["0x" + address.hex(), hex(wei)])])


def _founders(founding: Founding) -> JsonObject:
    appraisers = sorted(each.address.hex() for each in founding.appraisers)
    return {"appraisers": [*appraisers], "threshold": founding.threshold}


def _options(options: Mapping[str, JsonValue]) -> DevnetOptions:
    try:
        return DevnetOptions.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = nearest(key, list(DevnetOptions.model_fields))
        told = known if first["type"] == "extra_forbidden" else f": {first['msg']}"
        message = f"ethereum development ledger: {key!r}{told}"
        raise ConfigError(message) from error
