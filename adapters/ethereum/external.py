"""A node that somebody else runs: the fabric founds settlement on its chain, or opens a deployment that is there.

Nothing is asked of the node but what every node answers. The relayer pays, for the founding too: its operator funds it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from eth_abi.abi import encode
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.ethereum import abi, answers, contracts
from adapters.ethereum.anvil import fund
from adapters.ethereum.creation import Creation, Drafted
from adapters.ethereum.fees import GWEI, Fees
from adapters.ethereum.plugin import identify
from adapters.ethereum.rpc import Call, Rpc, RpcError
from adapters.ethereum.settings import parse_settings
from adapters.ethereum.view import block_call
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger, LedgerUnavailable, Malformed
from fabric.core.plugins import nearest
from fabric.ledger.devnet import EvmAccount, Founded, Founding, OpenSigner
from fabric.trust.kind import Status
from fabric.trust.schemes import ADDRESS_BYTES

FOUND_GAS: Final = 6_000_000
"""Deploying settlement takes about 4.1 million."""
REGISTER_GAS: Final = 500_000
"""Registering one enclave, with which every start begins."""
_SETTINGS: Final = ("finality", "fee_cap", "tip", "effect_gas", "timeout_seconds")
_Address = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]
_Word = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ExternalOptions(BaseModel):
    """What the configuration says of a node that runs elsewhere.

    Attributes:
        url: JSON-RPC over HTTP of the node.
        settlement: address of a deployment that is there already; without it, one is founded.
        salt: the salt of that deployment.
        start: number of its first block; spares reading from the genesis block.
        finality: how many blocks must follow a block until it counts as final.
        fee_cap: most wei a gas unit, base fee and tip together.
        tip: priority fee, wei a gas unit.
        effect_gas: gas for what a recipient does with a record, beyond checking it.
        timeout_seconds: how long one round trip may take.
        development: the node is anvil, and gives the relayer its money itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern=r"^https?://")]
    settlement: _Address | None = None
    salt: _Word | None = None
    start: Annotated[int, Field(ge=0, lt=2**53)] = 0
    finality: Annotated[int, Field(ge=0, le=10_000)] = 4
    fee_cap: Annotated[int, Field(ge=0)] = 500 * GWEI
    tip: Annotated[int, Field(ge=0)] = GWEI
    effect_gas: Annotated[int, Field(ge=0, le=10**9)] = 300_000
    timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 20.0
    development: bool = False

    @property
    def fees(self) -> Fees:
        """The relayer's limits."""
        return Fees(self.fee_cap, self.tip, self.effect_gas)


async def connect(
    folder: Path, options: Mapping[str, JsonValue], clock: Clock, open_signer: OpenSigner
) -> "ExternalLedger":
    """Entry point in the group ``cryptlet.externals``.

    Args:
        folder: where the facts of the founding lie.
        options: see ``ExternalOptions``.
        clock: unused; a block's time is the node's.
        open_signer: starts the signer of the relayer's account, for creating the contract.

    Raises:
        ConfigError: unknown or wrong option.
    """
    del clock
    return ExternalLedger(folder, _options(options), open_signer)


class ExternalLedger:
    """A chain that runs elsewhere (``fabric.ledger.devnet.Devnet``)."""

    def __init__(self, folder: Path, options: ExternalOptions, open_signer: OpenSigner) -> None:
        """Asks nothing yet."""
        self._folder = folder
        self._options = options
        self._open_signer = open_signer

    async def found(self, founding: Founding) -> Founded:
        """Opens the configured deployment, or the one that the folder knows; founds one where there is neither.

        Raises:
            ConfigError: the relayer lacks money: names its address and how much; or the folder's file is spoiled.
            ForeignLedger: the deployment is of other founders, or of a chain that is gone.
            Reverted: the contract refuses the founders.
            LedgerError: the node does not answer, or did not take the transaction.
        """
        rpc = Rpc(self._options.url, self._options.timeout_seconds)
        try:
            settings = await self._settings(rpc, founding)
            destination = await identify(rpc, parse_settings(settings))
            await _check_founders(rpc, parse_settings(settings).settlement, founding)
        finally:
            await rpc.aclose()
        # Without seals a receipt is the node's word, and the node is the operator's own.
        signer = EvmAccount(destination.chain_number, destination.settlement[-ADDRESS_BYTES:])
        return Founded(destination, settings, {}, Status.INCLUDED, accept_asserted=True, signer=signer)

    async def aclose(self) -> None:
        """Nothing of ours runs."""

    async def _settings(self, rpc: Rpc, founding: Founding) -> JsonObject:
        options, creation = self._options, Creation(rpc, self._folder)
        drafted = creation.kept()
        is_there = options.settlement is not None or drafted is not None
        if options.development:
            await fund(rpc, founding.relayer)
        await self._check_balance(rpc, founding.relayer, REGISTER_GAS if is_there else FOUND_GAS + REGISTER_GAS)
        if options.settlement is not None:
            if options.salt is None:
                raise ConfigError("ethereum: a deployment is opened by settlement and salt, and salt is missing")
            where: JsonObject = {"settlement": options.settlement, "salt": options.salt, "start": options.start}
        else:
            where = await creation.finish(drafted or await self._draft(rpc, creation, founding))
        kept: JsonObject = {name: getattr(options, name) for name in _SETTINGS}
        return {**kept, "url": options.url, **where}

    async def _draft(self, rpc: Rpc, creation: Creation, founding: Founding) -> Drafted:
        """Signs the creation of settlement and stores it before anything is sent."""
        chain_id, genesis, base_fee = await _chain(rpc)
        appraisers = ["0x" + each.address.hex() for each in sorted(founding.appraisers, key=lambda one: one.address)]
        code = contracts.load("Settlement").bytecode
        signer = await self._open_signer(EvmAccount(chain_id, b""))
        try:
            return await creation.draft(
                signer,
                chain_id,
                self._options.fees.price(base_fee),
                FOUND_GAS,
                lambda salt: (
                    code
                    + encode(
                        ["address[]", "uint256", "bytes32", "bytes32"], [appraisers, founding.threshold, genesis, salt]
                    )
                ),
            )
        finally:
            await signer.aclose()

    async def _check_balance(self, rpc: Rpc, relayer: bytes, gas: int) -> None:
        """Refuses a relayer that cannot pay for what a start does first."""
        chain_id, _, base_fee = await _chain(rpc)
        (answer,) = await rpc.ask([("eth_getBalance", ["0x" + relayer.hex(), "latest"])])
        with answers.reading():
            has = answers.quantity(answer, "balance")
        needs = gas * self._options.fees.price(base_fee)[1]
        if has < needs:
            raise ConfigError(
                f"the relayer 0x{relayer.hex()} has {has} wei on chain {chain_id} and needs {needs} for its first "
                f"transactions: send it {needs - has} wei or more, then start again"
            )


async def _chain(rpc: Rpc) -> tuple[int, bytes, int]:
    """Returns chain id, genesis hash and the head's base fee."""
    asked: list[Call] = [("eth_chainId", []), block_call(0), ("eth_getBlockByNumber", ["latest", False])]
    stated, first, head = await rpc.ask(asked)
    with answers.reading():
        return answers.quantity(stated, "chain id"), answers.block(first).hash, answers.block(head).base_fee


async def _check_founders(rpc: Rpc, settlement: str, founding: Founding) -> None:
    """Refuses a deployment that does not take our appraisers' word, or needs another number of them.

    Whose word it takes beside theirs cannot be asked: whoever names a deployment of others must know it.
    """
    calls = [abi.THRESHOLD.call(), *(abi.IS_APPRAISER.call("0x" + one.address.hex()) for one in founding.appraisers)]
    asked: list[Call] = [("eth_call", [{"to": settlement, "data": "0x" + data.hex()}, "latest"]) for data in calls]
    threshold, *pinned = await rpc.batch(asked)
    if any(isinstance(answer, RpcError) for answer in (threshold, *pinned)):
        raise LedgerUnavailable(f"the node does not execute calls of the contract at {settlement}")
    try:
        (needed,) = abi.THRESHOLD.read(answers.data(threshold, "threshold"))  # type: ignore[arg-type]
        counted = [abi.IS_APPRAISER.read(answers.data(answer, "appraiser"))[0] for answer in pinned]  # type: ignore[arg-type]
    except Malformed as error:
        raise ForeignLedger(f"the contract at {settlement} names no appraisers: {error}") from error
    if needed != founding.threshold or not all(counted):
        raise ForeignLedger(
            f"settlement at {settlement} was deployed for other appraisers or another threshold: it needs {needed} and "
            f"takes the word of {sum(map(bool, counted))} of our {len(counted)}"
        )


def _options(options: Mapping[str, JsonValue]) -> ExternalOptions:
    try:
        return ExternalOptions.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = nearest(key, list(ExternalOptions.model_fields))
        told = known if first["type"] == "extra_forbidden" else f": {first['msg']}"
        message = f"ethereum, not embedded: {key!r}{told}"
        raise ConfigError(message) from error
