"""The development ledger: a network in a folder with one settlement deployment, found again after a restart.

An operator's and an appraiser's keys never come here: the deployment pins addresses, and the network's own development
account pays for it.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from eth_abi.abi import encode

from adapters.ethereum import answers, contracts, seals
from adapters.ethereum.accounts import DEPLOY_GAS, NodeAccount, created
from adapters.ethereum.networks import Network, parse_options, start_network
from adapters.ethereum.plugin import destination_of, identify
from adapters.ethereum.rpc import Call, Rpc
from adapters.ethereum.settings import parse_settings
from adapters.ethereum.view import block_call
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger, LedgerUnavailable, Malformed
from fabric.ledger.devnet import EvmAccount, Founded, Founding
from fabric.trust.destination import Destination
from fabric.trust.fields import read_object
from fabric.trust.kind import Status
from fabric.trust.schemes import ADDRESS_BYTES

DEPLOYER: Final = 0
"""Number of the node's account that deploys settlement."""
FINAL_SECONDS: Final = 120
SALT_BYTES: Final = 32
_KEPT: Final = frozenset({"founders", "settings"})
_POLL_SECONDS: Final = 0.25


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
    """Starts the network in a folder, or finds the one that runs there.

    Args:
        folder: where its state lies.
        options: see ``adapters.ethereum.networks.DevnetOptions``.
        clock: unused; a block's time is the node's.

    Raises:
        ConfigError: unknown or wrong option, or no anvil or geth of the right version.
        LedgerUnavailable: a node does not start.
    """
    del clock
    wanted = parse_options(options)
    return EthereumDevnet(await start_network(folder, wanted), wanted.finality)


class EthereumDevnet:
    """A development ledger (``fabric.ledger.devnet.Devnet``)."""

    def __init__(self, network: Network, finality: int) -> None:
        """Takes a running network."""
        self.network = network
        self._finality = finality

    async def describe(self) -> JsonObject:
        """Returns what people need to use the network; raises ``LedgerUnavailable``."""
        return await self.network.describe()

    async def found(self, founding: Founding) -> Founded:
        """Deploys settlement, or returns the deployment that the folder holds; funds the relayer either way.

        Raises:
            ForeignLedger: the folder holds a deployment of other founders, or of a ledger that is gone.
            ConfigError: the file of the deployment is spoiled.
            Reverted: the contract refuses the founders.
            LedgerError: the node does not answer.
        """
        rpc = Rpc(self.network.url)
        try:
            settings = self._kept(founding) or await self._deploy(rpc, founding)
            destination = await identify(rpc, parse_settings(settings))
            await self.network.fund(rpc, founding.relayer)
        finally:
            await rpc.aclose()
        signer = EvmAccount(destination.chain_number, destination.settlement[-ADDRESS_BYTES:])
        if not self.network.signers:
            # Without seals a receipt is the node's word, and the node is the operator's own.
            return Founded(destination, settings, {}, Status.INCLUDED, accept_asserted=True, signer=signer)
        trust = seals.trust_of(self.network.signers)
        return Founded(destination, settings, trust, Status.FINAL, accept_asserted=False, signer=signer)

    async def aclose(self) -> None:
        """Ends the network; its state stays in the folder."""
        await self.network.aclose()

    def _kept(self, founding: Founding) -> JsonObject | None:
        """Returns the settings of the deployment that the folder holds."""
        if not self._place.exists():
            return None
        try:
            kept = read_object(canonical.parse(self._place.read_bytes()), _KEPT, str(self._place))
        except (OSError, Malformed) as error:
            folder = self.network.folder
            message = f"{self._place} is spoiled ({error}): put it back, or remove {folder} for a new chain"
            raise ConfigError(message) from error
        founders, settings = kept["founders"], kept["settings"]
        if founders != _founders(founding):
            message = f"{self._place}: settlement was deployed for other appraisers or another threshold"
            raise ForeignLedger(message)
        if not isinstance(settings, dict):
            message = f"{self._place}: settings is no object"
            raise ConfigError(message)
        return settings | self._terms

    async def _deploy(self, rpc: Rpc, founding: Founding) -> JsonObject:
        appraisers = [appraiser.address for appraiser in founding.appraisers]
        deployer = await NodeAccount.open(rpc, DEPLOYER)
        made = await deploy_settlement(deployer, appraisers, founding.threshold, secrets.token_bytes(SALT_BYTES))
        if self.network.signers:
            made = await self._final(rpc, made)
        settings: JsonObject = settings_of(made, self.network.url) | self._terms
        draft = self._place.with_suffix(".draft")
        draft.write_text(json.dumps({"founders": _founders(founding), "settings": settings}))
        draft.replace(self._place)
        return settings

    async def _final(self, rpc: Rpc, made: Deployment) -> Deployment:
        """Waits until a deployment is final: until then signers may still replace its block.

        Raises:
            LedgerUnavailable: it is not final after two minutes.
        """
        address = "0x" + made.destination.settlement[-ADDRESS_BYTES:].hex()
        try:
            async with asyncio.timeout(FINAL_SECONDS):
                while not await self._is_final(rpc, address):  # noqa: ASYNC110 - there is no event to wait for
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            message = f"the deployment at {address} is not final after {FINAL_SECONDS} s: do the signers seal?"
            raise LedgerUnavailable(message) from error
        # It may stand in another block now than at first; so far back no block can hold an event of it.
        return replace(made, block=max(0, made.block - self._finality))

    async def _is_final(self, rpc: Rpc, address: str) -> bool:
        (head,) = await rpc.ask([("eth_blockNumber", [])])
        with answers.reading():
            final = max(0, answers.quantity(head, "head") - self._finality)
        (code,) = await rpc.ask([("eth_getCode", [address, hex(final)])])
        return code != "0x"

    @property
    def _terms(self) -> JsonObject:
        """What may be another after a restart: the port, and the configured finality."""
        terms: JsonObject = {"finality": self._finality, "url": self.network.url}
        return terms | {"seals": seals.ENGINE} if self.network.signers else terms

    @property
    def _place(self) -> Path:
        return self.network.folder / "deployment.json"


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


def _founders(founding: Founding) -> JsonObject:
    appraisers = sorted(each.address.hex() for each in founding.appraisers)
    return {"appraisers": [*appraisers], "threshold": founding.threshold}
