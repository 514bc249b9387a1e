"""What the configuration says of an EVM ledger; an unknown key is an error with the nearest valid one."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.ethereum.anchorage import MAX_FOLLOWING
from adapters.ethereum.fees import GWEI, Fees
from fabric.core.canonical import JsonValue
from fabric.core.errors import ConfigError
from fabric.core.plugins import nearest

_Address = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]
_Word = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Settings(BaseModel):
    """One settlement deployment and how to reach it.

    Attributes:
        url: JSON-RPC over HTTP of the node.
        settlement: address of the settlement contract.
        salt: the deployment's salt, 64 hexadecimal digits.
        chain_id: the chain id that the node must state; None takes any.
        genesis: the hash that the genesis block must have; None takes any. Either way it is part of the destination id.
        finality: how many blocks must follow a block until it counts as final.
        seals: ``clique`` where blocks carry seals: receipts of final effects then hold the headers that follow.
        start: number of a block before which the deployment has no events; spares reading from the genesis block.
        timeout_seconds: how long one round trip may take.
        fee_cap: most wei a gas unit, base fee and tip together.
        tip: priority fee, wei a gas unit.
        effect_gas: gas for what a recipient does with a record or message, beyond checking it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern=r"^https?://")]
    settlement: _Address
    salt: _Word
    chain_id: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    genesis: _Word | None = None
    finality: Annotated[int, Field(ge=0, le=10_000)] = 4
    seals: Literal["none", "clique"] = "none"
    start: Annotated[int, Field(ge=0, lt=2**53)] = 0
    timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 20.0
    fee_cap: Annotated[int, Field(ge=0)] = 500 * GWEI
    tip: Annotated[int, Field(ge=0)] = GWEI
    effect_gas: Annotated[int, Field(ge=0, le=10**9)] = 500_000

    @property
    def following(self) -> int:
        """How many headers a final receipt holds beside its block's own."""
        return 0 if self.seals == "none" else min(self.finality, MAX_FOLLOWING)

    @property
    def fees(self) -> Fees:
        """The limits of transactions."""
        return Fees(self.fee_cap, self.tip, self.effect_gas)

    @property
    def address(self) -> bytes:
        """The settlement contract's address, 20 bytes."""
        return bytes.fromhex(self.settlement[2:])


def parse_settings(config: Mapping[str, JsonValue]) -> Settings:
    """Reads the settings; raises ``ConfigError`` naming the key."""
    try:
        return Settings.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = nearest(key, list(Settings.model_fields))
            message = f"ethereum: unknown key {key!r}{known}"
        else:
            message = f"ethereum: {key}: {first['msg']}"
        raise ConfigError(message) from error
