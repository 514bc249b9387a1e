"""The network's folder: its configuration, and every organisation's keys (``init`` makes them)."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.hyperledger.embedded.authorities import Authority, load, load_authority, save
from adapters.hyperledger.embedded.identities import Member
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError

CONFIG: Final = "network.json"
CRYPTO: Final = "crypto"
ORDERER: Final = "OrdererMSP"
TLS: Final = "tls"
_NAME: Final = r"^[a-zA-Z][a-zA-Z0-9.-]{0,62}$"
_Name = Annotated[str, Field(pattern=_NAME)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChaincodeConfig(_Part):
    """A chaincode that the organisations have agreed on.

    Attributes:
        address: ``host:port`` of its process.
        policy: who must endorse, as ``AND('Org1MSP.peer','Org2MSP.peer')``.
        package: the package id under which the process registers.
    """

    address: Annotated[str, Field(pattern=r"^[^\s:]+:\d{1,5}$")]
    policy: str
    package: str

    @property
    def process(self) -> tuple[str, str]:
        """Address and package id: a process may carry out several chaincodes, over one link."""
        return self.address, self.package


class BatchConfig(_Part):
    """When the orderer closes a block.

    Attributes:
        count: most transactions of a block.
        seconds: how long the first one waits for others.
        preferred_bytes: a block closes before it would be longer, unless it holds one transaction.
        absolute_bytes: longest transaction.
    """

    count: Annotated[int, Field(ge=1, le=10_000)] = 100
    seconds: Annotated[float, Field(ge=0, le=60)] = 0.1
    preferred_bytes: Annotated[int, Field(ge=1_024)] = 2 << 20
    absolute_bytes: Annotated[int, Field(ge=1_024)] = 10 << 20


class NetworkConfig(_Part):
    """The whole configuration.

    Attributes:
        channel: the channel's id.
        organisations: MSP ids; each has one peer.
        chaincodes: by name.
        batch: of the orderer.
        client_authentication: whether clients need a certificate of the TLS authority.
    """

    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{0,248}$")] = "consortium"
    organisations: Annotated[list[_Name], Field(min_length=1, max_length=16)] = ["Org1MSP", "Org2MSP"]
    chaincodes: dict[str, ChaincodeConfig] = {}
    batch: BatchConfig = BatchConfig()
    client_authentication: bool = False


@dataclass(frozen=True)
class Network:
    """A folder's network.

    Attributes:
        folder: the folder.
        config: its configuration.
        authorities: of the organisations, by MSP id.
        peers: one of each organisation.
        orderer: who signs blocks.
        tls: the server's certificate.
        tls_root: of TLS, PEM.
    """

    folder: Path
    config: NetworkConfig
    authorities: dict[str, Authority]
    peers: dict[str, Member]
    orderer: Member
    tls: Member
    tls_root: bytes


def init(folder: Path, config: NetworkConfig, clock: Clock) -> None:
    """Makes a network's configuration and keys; raises ``ConfigError`` where there is one already."""
    if (folder / CONFIG).exists():
        raise ConfigError(f"{folder / CONFIG} is there already: a network is never made over another")
    crypto = folder / CRYPTO
    crypto.mkdir(exist_ok=True, mode=0o700)
    for name in (*config.organisations, ORDERER):
        authority = Authority.create(name, clock)
        save(crypto / name, "ca", authority.certificate, authority.key)
        role = "orderer" if name == ORDERER else "peer"
        member = authority.member(f"{role}0.{name}", role)
        save(crypto / name, role, member.certificate, member.key)
    root = Authority.create(TLS, clock)
    save(crypto, "tlsca", root.certificate, root.key)
    server = root.member("localhost", None)
    save(crypto, "tls", server.certificate, server.key)
    _write(folder / CONFIG, config.model_dump_json(indent=2) + "\n")


def _write(place: Path, text: str) -> None:
    """Writes the configuration, last and at once: a folder with one is whole, one without is made again."""
    draft = place.with_suffix(".draft")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(place)


def read_config(folder: Path) -> NetworkConfig:
    """Reads the configuration; raises ``ConfigError`` naming the key."""
    place = folder / CONFIG
    try:
        return NetworkConfig.model_validate_json(place.read_bytes())
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror}: `python -m {__package__} init {folder}` makes it") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def open_network(folder: Path, clock: Clock) -> Network:
    """Reads a network's folder; raises ``ConfigError`` naming the file."""
    config, crypto = read_config(folder), folder / CRYPTO
    return Network(
        folder,
        config,
        {name: load_authority(crypto / name, name, clock) for name in config.organisations},
        {name: load(crypto / name, "peer", name) for name in config.organisations},
        load(crypto / ORDERER, "orderer", ORDERER),
        load(crypto, "tls", TLS),
        (crypto / "tlsca.pem").read_bytes(),
    )


def authority_for(folder: Path, msp: str, clock: Clock) -> Authority:
    """Returns an organisation's authority, or that of TLS (``tls``); raises ``ConfigError``."""
    if msp == TLS:
        return load_authority(folder / CRYPTO, TLS, clock, file="tlsca")
    if not re.fullmatch(_NAME, msp):
        raise ConfigError(f"{msp!r} is no MSP id")
    return load_authority(folder / CRYPTO / msp, msp, clock)
