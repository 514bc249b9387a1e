"""What the configuration says of a Hyperledger deployment; an unknown key is an error with the nearest valid one.

A certificate is given as PEM or as the path of a file that holds it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic import JsonValue as PydanticJson

from adapters.hyperledger.genesis import KIND, name_word
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import ConfigError
from fabric.core.plugins import nearest
from fabric.trust.destination import Destination

_Word = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Seconds = Annotated[float, Field(gt=0, le=300)]
_LOCAL: Final = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):\d{1,5}")


class Tls(BaseModel):
    """How peers are known, and how they know us.

    Attributes:
        roots: certificates of the authorities that peers' TLS certificates chain to.
        certificate: our own TLS certificate, where peers ask for one (mutual TLS).
        key: path of its private key, PEM, readable by its owner only.
        server_name: the name that a peer's certificate must bear, where it is not the one that is dialled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    roots: str
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            message = "certificate and key go together"
            raise ValueError(message)
        return self


class Msp(BaseModel):
    """The authorities of an organisation; each a certificate, PEM."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roots: Annotated[list[str], Field(min_length=1, max_length=16)]
    intermediates: Annotated[list[str], Field(max_length=16)] = []


class Limits(BaseModel):
    """How much at a time, and how long.

    Attributes:
        calls: most calls of one transaction.
        call_bytes: most bytes of its calls.
        blocks: most blocks that one page of requests or mailbox events covers.
        message_bytes: longest answer of a peer.
        endorse_seconds: deadline of an endorsement.
        submit_seconds: deadline of a submission.
        status_seconds: how long a transaction that is in no block yet is waited for.
        deliver_seconds: deadline of a page of blocks.
        pending_seconds: how long a transaction that was sent, and of which nothing is known, counts as on its way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: Annotated[int, Field(ge=1, le=64)] = 32
    call_bytes: Annotated[int, Field(ge=1024, le=512 << 10)] = 256 << 10
    blocks: Annotated[int, Field(ge=1, le=1024)] = 64
    message_bytes: Annotated[int, Field(ge=1 << 20, le=128 << 20)] = 32 << 20
    endorse_seconds: _Seconds = 15.0
    submit_seconds: _Seconds = 15.0
    status_seconds: _Seconds = 0.5
    deliver_seconds: _Seconds = 20.0
    pending_seconds: _Seconds = 30.0


class Settings(BaseModel):
    """One deployment of the chaincode on a channel, and how to reach it.

    Attributes:
        endpoints: peers, ``host:port``, asked in turn where one does not answer.
        tls: how they are known; None is for peers on this machine only.
        channel: the channel's id.
        chaincode: the chaincode's name.
        block: hash of the channel's block 0.
        salt: the deployment's salt.
        msp: id of the organisation that the client belongs to.
        certificate: the client's certificate.
        key: path of the client's key file, of use to ``cryptlet ledger test`` only; a fabric has a key process.
        msps: organisations whose endorsements count, by MSP id.
        policy: what endorsements must satisfy (docs/spec/hyperledger.md).
        orderers: organisations of the ordering service, by MSP id; None leaves blocks' signatures unseen.
        limits: sizes and deadlines.
        development: folder of the development network that it is, whose authorities make certificates out for anybody.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: Annotated[list[Annotated[str, Field(pattern=r"^[^\s/]+:\d{1,5}$")]], Field(min_length=1, max_length=16)]
    tls: Tls | None = None
    channel: _Name
    chaincode: _Name
    block: _Word
    salt: _Word
    msp: _Name
    certificate: str
    key: str | None = None
    msps: Annotated[dict[str, Msp], Field(min_length=1, max_length=64)]
    policy: PydanticJson
    orderers: dict[str, Msp] | None = None
    limits: Limits = Limits()
    development: str | None = None

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.tls is None and not all(map(_LOCAL.fullmatch, self.endpoints)):
            message = "tls is missing; only peers on this machine are asked without it"
            raise ValueError(message)
        return self

    @property
    def destination(self) -> Destination:
        """The deployment that these settings name."""
        words = name_word(self.channel), bytes.fromhex(self.block), name_word(self.chaincode)
        return Destination(KIND, *words, bytes.fromhex(self.salt))

    @property
    def trust(self) -> JsonObject:
        """What a policy of proofs would say of the deployment."""
        msps: JsonObject = {name: _authorities(msp) for name, msp in self.msps.items()}
        return {"channel": self.channel, "chaincode": self.chaincode, "msps": msps, "policy": self.policy}

    @property
    def orderer_trust(self) -> JsonObject | None:
        """The authorities of orderers, spelled as those of ``trust``."""
        if self.orderers is None:
            return None
        return {name: _authorities(msp) for name, msp in self.orderers.items()}


def parse_settings(config: Mapping[str, JsonValue]) -> Settings:
    """Reads the settings; raises ``ConfigError`` naming the key."""
    try:
        return Settings.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = nearest(str(first["loc"][-1]), _names_beside(first["loc"]))
            message = f"hyperledger: unknown key {key!r}{known}"
        else:
            message = f"hyperledger: {key or 'settings'}: {first['msg']}"
        raise ConfigError(message) from error


def read_pem(value: str, name: str) -> str:
    """Returns PEM that is given as such or by the path of its file; raises ``ConfigError``."""
    if value.startswith("-----BEGIN "):
        return value
    try:
        return Path(value).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        message = f"hyperledger: {name}: neither PEM nor a file that holds it: {error}"
        raise ConfigError(message) from error


def _authorities(msp: Msp) -> JsonObject:
    roots: list[JsonValue] = [read_pem(each, "msps.roots") for each in msp.roots]
    intermediates: list[JsonValue] = [read_pem(each, "msps.intermediates") for each in msp.intermediates]
    return {"roots": roots, "intermediates": intermediates}


_BESIDE: Final[dict[str, type[BaseModel]]] = {"tls": Tls, "limits": Limits, "msps": Msp, "orderers": Msp}


def _names_beside(where: tuple[int | str, ...]) -> list[str]:
    """Returns the valid keys of the object in which an unknown one was found."""
    model = Settings if len(where) == 1 else _BESIDE.get(str(where[0]), Settings)
    return list(model.model_fields)
