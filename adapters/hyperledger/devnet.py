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
from adapters.hyperledger.processes import CHAINCODE, ORDERER, ORGANISATIONS, Network, is_usable
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
    network = await Network.start(folder, wanted.channel, port=wanted.port, dies_with_parent=wanted.dies_with_parent)
    return HyperledgerDevnet(network, wanted.channel, clock)


class HyperledgerDevnet:
    """A development ledger (``fabric.ledger.devnet.Devnet``)."""

    def __init__(self, network: Network, channel: str, clock: Clock) -> None:
        """Takes a running network."""
        self.network = network
        self._channel = channel
        self._clock = clock

    async def describe(self) -> JsonObject:
        """Returns what people need to use the network."""
        return {
            "channel": self._channel,
            "chaincode": CHAINCODE,
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
        signer = ChannelClient(self._channel, CHAINCODE)
        return Founded(read.destination, settings, read.trust, Status.FINAL, accept_asserted=False, signer=signer)

    async def aclose(self) -> None:
        """Ends the network's processes; its state stays in the folder."""
        await self.network.aclose()

    async def certificate(self, name: str, key: bytes) -> str:
        """Returns the certificate of a client's key (DER), made out anew where it is another's or near its end."""
        place = self.network.folder / f"{name}.pem"
        if place.exists() and is_usable(place.read_text(), key, self._clock.unix_seconds(), MARGIN_SECONDS):
            return place.read_text()
        public = place.with_suffix(".pub")
        public.write_bytes(public_pem(key))
        place.write_text(await self.network.issue(OWN, name, public))
        return place.read_text()

    async def _deploy(self, founding: Founding) -> JsonObject:
        keys = DevelopmentKeys(self.network.folder / "founder.key", self._channel, CHAINCODE)
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
            chaincode=CHAINCODE,
            block=first.hash,
            appraisers=tuple(sorted(appraisers, key=lambda keys: keys.ed25519)),
            threshold=founding.threshold,
            skew=SKEW,
            salt=self._salt(),
        )
        stated = await Caller(parts.asking.peers, parts.asking.endorser).found(document.encoded)
        if stated != document.destination.id:
            raise ForeignLedger(f"chaincode {CHAINCODE!r} was founded as {stated.hex()}, not as this folder's")
        settings: JsonObject = {"block": first.hash.hex(), "salt": document.salt.hex()}
        draft = self._place.with_suffix(".draft")
        draft.write_text(json.dumps({"founders": _founders(founding), "settings": settings}))
        draft.replace(self._place)
        return settings

    def _salt(self) -> bytes:
        """Returns the salt, chosen before anything is founded: who is killed meanwhile founds the same again."""
        place = self.network.folder / "salt"
        if not place.exists():
            draft = place.with_suffix(".draft")
            draft.write_text(secrets.token_hex(WORD_BYTES))
            draft.replace(place)
        return bytes.fromhex(place.read_text())

    def _kept(self, founding: Founding) -> JsonObject | None:
        """Returns the settings of the deployment that the folder holds."""
        if not self._place.exists():
            return None
        try:
            kept = read_object(canonical.parse(self._place.read_bytes()), _KEPT, str(self._place))
        except (OSError, Malformed) as error:
            folder = self.network.folder
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
            "chaincode": CHAINCODE,
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
        return self.network.folder / "deployment.json"


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
