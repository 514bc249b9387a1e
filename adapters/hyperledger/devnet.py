"""The development ledger: an embedded network in a folder with one deployment, found again after a restart."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import Parts
from adapters.hyperledger.client.plugin import connect
from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.development import DevelopmentKeys, public_pem
from adapters.hyperledger.genesis import GenesisDocument
from adapters.hyperledger.processes import CHAINCODE, ORDERER, ORGANISATIONS, Network, Terms, is_usable, issue
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger, Malformed
from fabric.core.ids import WORD_BYTES
from fabric.core.plugins import nearest
from fabric.ledger.devnet import ChannelClient, Founded, Founding
from fabric.trust.attestation import KeySet
from fabric.trust.fields import read_object
from fabric.trust.kind import Status

SKEW: Final = 60
"""Seconds by which the clocks of a development network may differ."""
MARGIN_SECONDS: Final = 90 * 86_400
"""How long a certificate must last at a start; a shorter one is made out anew."""
OWN: Final = ORGANISATIONS[0]
"""The organisation that the fabric belongs to."""
_KEPT: Final = frozenset({"founders", "settings"})
_NOWHERE: Final = bytes(WORD_BYTES).hex()


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
        kept = self._kept(founding) or await self._deploy(founding)
        certificate = await self.certificate("fabric", founding.client)
        settings = self._terms | kept | {"certificate": certificate}
        read = parse_settings(settings)
        signer = ChannelClient(self._channel, self._chaincode)
        return Founded(read.destination, settings, read.trust, Status.FINAL, accept_asserted=False, signer=signer)

    async def aclose(self) -> None:
        """Ends the network's processes; its state stays in the folder."""
        await self.network.aclose()

    async def certificate(self, name: str, key: bytes) -> str:
        """Returns the certificate of a client's key (DER), made out anew where it is another's or near its end."""
        return await certificate(self.network.folder, self._folder / f"{name}.pem", key, self._clock)

    async def _deploy(self, founding: Founding) -> JsonObject:
        keys = DevelopmentKeys(self._folder / "founder.key", self._channel, self._chaincode)
        certificate = await self.certificate("founder", keys.client_key)
        unfounded = self._terms | {"block": _NOWHERE, "salt": _NOWHERE, "certificate": certificate}
        parts = connect(parse_settings(unfounded), self._clock, keys)
        try:
            return await self._found(founding, parts)
        finally:
            await parts.asking.peers.aclose()

    async def _found(self, founding: Founding, parts: Parts) -> JsonObject:
        first = await parts.chain.first(parts.asking.limits.deliver_seconds)
        appraisers = tuple(KeySet(each.ed25519, each.address) for each in founding.appraisers)
        document = GenesisDocument(
            channel=self._channel,
            chaincode=self._chaincode,
            block=first.hash,
            appraisers=tuple(sorted(appraisers, key=lambda keys: keys.ed25519)),
            threshold=founding.threshold,
            skew=SKEW,
            salt=self._salt(),
        )
        stated = await Caller(parts.asking.peers, parts.asking.endorser).found(document.encoded)
        if stated != document.destination.id:
            raise ForeignLedger(f"chaincode {self._chaincode!r} was founded as {stated.hex()}, not as this folder's")
        settings: JsonObject = {"block": first.hash.hex(), "salt": document.salt.hex()}
        _write(self._place, json.dumps({"founders": _founders(founding), "settings": settings}))
        return settings

    def _salt(self) -> bytes:
        """Returns the salt, chosen before anything is founded: who is killed meanwhile founds the same again."""
        place = self._folder / "salt"
        if not place.exists():
            _write(place, secrets.token_hex(WORD_BYTES))
        return bytes.fromhex(place.read_text())

    def _kept(self, founding: Founding) -> JsonObject | None:
        """Returns the settings of the deployment that the folder holds."""
        if not self._place.exists():
            return None
        try:
            kept = read_object(canonical.parse(self._place.read_bytes()), _KEPT, str(self._place))
        except (OSError, Malformed) as error:
            folder = self._folder
            raise ConfigError(f"{self._place} is spoiled ({error}): put it back, or remove {folder}") from error
        if kept["founders"] != _founders(founding):
            raise ForeignLedger(f"{self._place}: it was founded for other appraisers or another threshold")
        return cast("JsonObject", kept["settings"])

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

    @property
    def _place(self) -> Path:
        return self._folder / "deployment.json"


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
    _write(place, made)
    return made


def _read(place: Path) -> str:
    return place.read_text() if place.exists() else ""


def _asked(place: Path, key: bytes) -> Path:
    """Writes down the public key for which a certificate is asked; returns the file."""
    public = place.with_suffix(".pub")
    public.write_bytes(public_pem(key))
    return public


def _write(place: Path, text: str) -> None:
    draft = place.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(place)


def _parse(options: Mapping[str, JsonValue]) -> DevnetOptions:
    try:
        return DevnetOptions.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = nearest(key, list(DevnetOptions.model_fields))
        told = known if first["type"] == "extra_forbidden" else f": {first['msg']}"
        raise ConfigError(f"hyperledger development ledger: {key!r}{told}") from error


def _founders(founding: Founding) -> JsonObject:
    appraisers: list[JsonValue] = [*sorted(each.ed25519.hex() for each in founding.appraisers)]
    return {"appraisers": appraisers, "threshold": founding.threshold}
