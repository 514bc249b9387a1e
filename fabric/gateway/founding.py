"""Founding: the keys of gateway-side parts, and the settlement deployments that pin who may vouch for enclaves."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fabric.core import plugins
from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock
from fabric.gateway.config import Config
from fabric.gateway.config import Ledger as LedgerConfig
from fabric.gateway.signing import KeyFiles, open_signer
from fabric.gateway.state import State
from fabric.ledger.devnet import Devnet, Founded, Founding, OpenSigner
from fabric.ledger.port import Ledger
from fabric.signers.create import ED25519, P256, SECP256K1, KeyFile, public_keys
from fabric.trust.attestation import KeySet
from fabric.trust.policy import Appraiser

StartDevnet = Callable[[Path, Mapping[str, JsonValue], Clock], Awaitable[Devnet]]
Connect = Callable[[Path, Mapping[str, JsonValue], Clock, OpenSigner], Awaitable[Devnet]]
LedgerOpener = Callable[..., Awaitable[Ledger]]


@dataclass(frozen=True)
class Identity:
    """Public halves of the gateway's keys.

    Attributes:
        sequencer: Ed25519 key that signs the native ledger's checkpoints.
        relayer: address that pays for transactions.
        attester: Ed25519 key that vouches for this host's enclaves.
        client: P-256 key of the client of channels, SubjectPublicKeyInfo in DER.
    """

    sequencer: bytes
    relayer: bytes
    attester: bytes
    client: bytes


@dataclass(frozen=True)
class Standing:
    """A ledger that stands: its development part and what was founded on it."""

    name: str
    kind: str
    devnet: Devnet
    founded: Founded


def sequencer_key(state: State) -> Path:
    """Returns the key file of the native sequencer."""
    return state.keys / "sequencer.key"


def relayer_key(state: State) -> Path:
    """Returns the key file of the relayer's account."""
    return state.keys / "relayer.key"


def client_key(state: State) -> Path:
    """Returns the key file of the client of Hyperledger channels."""
    return state.keys / "client.key"


def signing_keys(state: State) -> KeyFiles:
    """Returns the key files of signers."""
    return KeyFiles(sequencer_key(state), relayer_key(state), client_key(state))


def attester_key(state: State) -> Path:
    """Returns the key file of this host's software attester."""
    return state.keys / "attester.key"


async def make_identity(state: State) -> Identity:
    """Makes the key files where they are missing, in a process of its own; raises ``ConfigError``."""
    files = (
        KeyFile(ED25519, sequencer_key(state)),
        KeyFile(SECP256K1, relayer_key(state)),
        KeyFile(ED25519, attester_key(state)),
        KeyFile(P256, client_key(state)),
    )
    return Identity(*await public_keys(files))


async def raise_ledgers(
    state: State, config: Config, identity: Identity, appraisers: Sequence[KeySet], clock: Clock
) -> list[Standing]:
    """Starts or reaches every configured ledger and founds settlement on it, or finds what was founded before.

    Raises:
        PluginError: no adapter of that kind.
        ForeignLedger: the state folder holds a deployment of other founders, or of a ledger that is gone.
    """
    standing: list[Standing] = []
    try:
        for name, ledger in config.ledgers.items():
            devnet = await _raise(state, name, ledger, clock)
            founding = Founding(
                name=name,
                appraisers=tuple(Appraiser(keys.ed25519, keys.address) for keys in appraisers),
                threshold=1,
                relayer=identity.relayer,
                sequencer=identity.sequencer,
                client=identity.client,
            )
            try:
                founded = await devnet.found(founding)
            except BaseException:
                await devnet.aclose()
                raise
            standing.append(Standing(name, ledger.kind, devnet, founded))
    except BaseException:
        for item in standing:
            await item.devnet.aclose()
        raise
    return standing


async def _raise(state: State, name: str, ledger: LedgerConfig, clock: Clock) -> Devnet:
    folder, options = state.ledger(name), cast("Mapping[str, Any]", ledger.options)
    if ledger.embedded:
        start = cast("StartDevnet", plugins.load(plugins.DEVNETS, ledger.kind))
        return await start(folder, options, clock)
    connect = cast("Connect", plugins.load(plugins.EXTERNALS, ledger.kind))
    keys = signing_keys(state)
    return await connect(folder, options, clock, lambda need: open_signer(need, keys))
