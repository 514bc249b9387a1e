"""The development ledger: an embedded network in a folder with one deployment, found again after a restart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.development import DevelopmentKeys, public_pem
from adapters.hyperledger.founding import Memory, write
from adapters.hyperledger.processes import CHAINCODE, ORDERER, ORGANISATIONS, Network, Terms, is_usable, issue
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError
from fabric.core.plugins import nearest
from fabric.ledger.devnet import ChannelClient, Founded, Founding
from fabric.trust.kind import Status

MARGIN_SECONDS: Final = 90 * 86_400
"""How long a certificate must last at a start; a shorter one is made out anew."""
OWN: Final = ORGANISATIONS[0]
"""The organisation that the fabric belongs to."""


class DevnetOptions(BaseModel):
    """What the configuration says of the development ledger.

    Attributes:
        channel: the channel's id.
        port: of the gateway on 127.0.0.1; 0 takes a free one.
        dies_with_parent: whether its processes end when the one that started them does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{0,248}$")] = "consortium"
    port: Annotated[int, Field(ge=0, lt=65536)] = 0
    dies_with_parent: bool = False


async def start(folder: Path, options: Mapping[str, JsonValue], clock: Clock) -> "HyperledgerDevnet":
    """Starts the network in a folder, or finds the one that runs there.

    Args:
        folder: where its state lies.
        options: see ``DevnetOptions``.
        clock: dates certificates.

    Raises:
        ConfigError: unknown or wrong option.
        LedgerUnavailable: a process does not start.
    """
    wanted = _parse(options)
    terms = Terms(wanted.channel, port=wanted.port, dies_with_parent=wanted.dies_with_parent)
    return HyperledgerDevnet(await Network.start(folder, terms), wanted.channel, clock)


class HyperledgerDevnet:
    """A development ledger (``fabric.ledger.devnet.Devnet``)."""

    def __init__(self, network: Network, channel: str, clock: Clock, chaincode: str = CHAINCODE) -> None:
        """Takes a running network, and the name of a chaincode of its."""
        self.network = network
        self._channel = channel
        self._clock = clock
        self._chaincode = chaincode
        self._folder = network.folder / "deployments" / chaincode
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def describe(self) -> JsonObject:
        """Returns what people need to use the network."""
        return {
            "channel": self._channel,
            "chaincode": self._chaincode,
            "gateway": self._endpoint,
            "network": "embedded: one process that holds every organisation's keys",
            "organisations": [*ORGANISATIONS],
        }

    async def found(self, founding: Founding) -> Founded:
        """Founds the deployment, or returns the one that the folder holds; makes the fabric's certificate out.

        Raises:
            ForeignLedger: the folder holds a deployment of other founders.
            ConfigError: the file of the deployment is spoiled.
            LedgerError: the network does not answer, or holds another deployment.
        """
        keys = DevelopmentKeys(self._folder / "founder.key", self._channel, self._chaincode)
        terms = self._terms | {"certificate": await self.certificate("founder", keys.client_key)}
        deployment = await Memory(self._folder, self._clock).deployment(founding, terms, keys)
        settings = terms | deployment | {"certificate": await self.certificate("fabric", founding.client)}
        read = parse_settings(settings)
        signer = ChannelClient(self._channel, self._chaincode)
        return Founded(read.destination, settings, read.trust, Status.FINAL, accept_asserted=False, signer=signer)

    async def aclose(self) -> None:
        """Ends the network's processes; its state stays in the folder."""
        await self.network.aclose()

    async def certificate(self, name: str, key: bytes) -> str:
        """Returns the certificate of a client's key (DER), made out anew where it is another's or near its end."""
        return await certificate(self.network.folder, self._folder / f"{name}.pem", key, self._clock)

    @property
    def _terms(self) -> JsonObject:
        """What may be another after a restart, and what the folder's keys say."""
        roots: JsonObject = {name: {"roots": [self.network.root_of(name)]} for name in ORGANISATIONS}
        return {
            "endpoints": [self._endpoint],
            "tls": {"roots": self.network.tls_root},
            "channel": self._channel,
            "chaincode": self._chaincode,
            "development": str(self.network.folder),
            "msp": OWN,
            "msps": roots,
            "policy": {"n": len(ORGANISATIONS), "of": [f"{name}.peer" for name in ORGANISATIONS]},
            "orderers": {ORDERER: {"roots": [self.network.root_of(ORDERER)]}},
        }

    @property
    def _endpoint(self) -> str:
        return f"127.0.0.1:{self.network.port}"


async def certificate(network: Path, place: Path, key: bytes, clock: Clock) -> str:
    """Returns the certificate that lies in a file, made out anew where it is another key's or near its end.

    Args:
        network: folder of the development network.
        place: the file; its name is the common name.
        key: the public key, SubjectPublicKeyInfo in DER.
        clock: for its end.

    Raises:
        LedgerUnavailable: the network's authority does not make it out.
    """
    kept = _read(place)
    if kept and is_usable(kept, key, clock.unix_seconds(), MARGIN_SECONDS):
        return kept
    made = await issue(network, OWN, place.stem, _asked(place, key))
    write(place, made)
    return made


def _read(place: Path) -> str:
    return place.read_text() if place.exists() else ""


def _asked(place: Path, key: bytes) -> Path:
    """Writes down the public key for which a certificate is asked; returns the file."""
    public = place.with_suffix(".pub")
    public.write_bytes(public_pem(key))
    return public


def _parse(options: Mapping[str, JsonValue]) -> DevnetOptions:
    try:
        return DevnetOptions.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = nearest(key, list(DevnetOptions.model_fields))
        told = known if first["type"] == "extra_forbidden" else f": {first['msg']}"
        raise ConfigError(f"hyperledger development ledger: {key!r}{told}") from error
