"""Opening a deployment: which channel and chaincode answer is checked before anything is sent to them or believed."""

import hashlib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from adapters.hyperledger.client.chain import Chain
from adapters.hyperledger.client.endorsing import ChaincodeRefused, Endorser, Place
from adapters.hyperledger.client.identity import ClientKeys, client_of
from adapters.hyperledger.client.ledger import HyperledgerLedger, Parts
from adapters.hyperledger.client.observing import Asking
from adapters.hyperledger.client.peers import Credentials, Peers, PeerSide
from adapters.hyperledger.client.reading import Reader
from adapters.hyperledger.client.settings import Settings, Tls, parse_settings, read_pem
from adapters.hyperledger.client.trusting import seal_checker, verifier_of
from adapters.hyperledger.genesis import GenesisDocument
from adapters.hyperledger.names import GENESIS_KEY
from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger, Malformed


async def open_ledger(
    config: Mapping[str, JsonValue], clock: Clock, relayer: ClientKeys | None = None
) -> HyperledgerLedger:
    """Opens a deployment of the chaincode; also a ``RequestSource`` and a ``MailboxSource``.

    Args:
        config: see ``adapters.hyperledger.client.settings.Settings``.
        clock: gives transactions their time.
        relayer: holds the client's key; peers answer no question that it did not sign.

    Raises:
        ConfigError: the configuration cannot be used, or there is no key.
        ForeignLedger: channel, chaincode or genesis document are not those of the deployment.
        LedgerUnavailable: no peer answers.
    """
    settings = parse_settings(config)
    if relayer is None:
        message = "hyperledger: peers answer only what a client signed, and no key was given"
        raise ConfigError(message)
    parts = connect(settings, clock, relayer)
    try:
        await check_channel(parts, settings)
        founded, _ = await check_genesis(parts, settings)
    except BaseException:
        await parts.asking.peers.aclose()
        raise
    return HyperledgerLedger(parts, clock, founded)


def connect(settings: Settings, clock: Clock, keys: ClientKeys, peers: PeerSide | None = None) -> Parts:
    """Puts together what a ledger is made of; nothing is asked yet.

    Args:
        settings: the deployment.
        clock: gives transactions their time.
        keys: hold the client's key.
        peers: who is asked, the endpoints of the settings by default.

    Raises:
        ConfigError: certificates or keys cannot be used.
    """
    certificate = read_pem(settings.certificate, "certificate")
    client = client_of(settings.msp, certificate, keys)
    credentials = _credentials(settings.tls) if settings.tls else None
    place, limits = Place(settings.channel, settings.chaincode), settings.limits
    peers = peers or Peers(settings.endpoints, credentials, limits.message_bytes)
    endorser = Endorser(peers, client, place, verifier_of(settings.trust), clock)
    reader = Reader(endorser, settings.destination.id, limits.endorse_seconds)
    chain = Chain(peers, endorser, clock, seal_checker(settings.orderer_trust), _digest(credentials))
    return Parts(Asking(peers, endorser, reader, limits), chain, settings.destination)


async def check_channel(parts: Parts, settings: Settings) -> None:
    """Checks that the channel begins with the block that the deployment names; raises ``ForeignLedger``."""
    first = await parts.chain.first(settings.limits.deliver_seconds)
    if first.hash.hex() != settings.block:
        message = (
            f"channel {settings.channel!r} begins with block {first.hash.hex()}, configured is {settings.block}: "
            "another channel of this name, or one that was wiped and made anew, which is another destination"
        )
        raise ForeignLedger(message)


async def check_genesis(parts: Parts, settings: Settings) -> tuple[int, GenesisDocument]:
    """Checks that the chaincode was founded as the deployment that is configured.

    Returns:
        The number of the block in which it was, and its genesis document.

    Raises:
        ForeignLedger: it was not, or as another.
        LedgerUnavailable: no answer.
    """
    where = f"chaincode {settings.chaincode!r} on channel {settings.channel!r}"
    try:
        found = (await parts.asking.reader.read([GENESIS_KEY])).found[GENESIS_KEY]
        document = GenesisDocument.decode(found.value if found else b"")
    except (ChaincodeRefused, Malformed) as error:
        message = f"{where} holds no deployment: {error}"
        raise ForeignLedger(message) from error
    for name in _STATED:
        stated, wanted = document.fields[name], getattr(settings, name)
        if stated != wanted:
            message = f"{where} was founded with {name} {stated!r}, configured is {wanted!r}"
            raise ForeignLedger(message)
    return found.block if found else 0, document


_STATED: Final = ("channel", "chaincode", "block", "salt")


def _credentials(tls: Tls) -> Credentials:
    key = None
    if tls.key is not None:
        key = _private(Path(tls.key))
    certificate = read_pem(tls.certificate, "tls.certificate").encode() if tls.certificate else None
    return Credentials(read_pem(tls.roots, "tls.roots").encode(), certificate, key, tls.server_name)


def _private(path: Path) -> bytes:
    try:
        about = path.stat()
        if about.st_mode & 0o077:
            message = f"hyperledger: tls.key: others may read {path}; run: chmod 600 {path}"
            raise ConfigError(message)
        return path.read_bytes()
    except OSError as error:
        message = f"hyperledger: tls.key: {path}: {error.strerror}"
        raise ConfigError(message) from error


def _digest(credentials: Credentials | None) -> bytes:
    """Returns the digest of our TLS certificate, which a peer with mutual TLS asks for in requests for blocks."""
    if credentials is None or credentials.certificate is None:
        return b""
    der = ssl.PEM_cert_to_DER_cert(credentials.certificate.decode())
    return hashlib.sha256(der).digest()
