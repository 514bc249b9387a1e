"""Entry point of the native ledger."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from adapters.native.envelope import CallSigner
from adapters.native.genesis import GenesisDocument
from adapters.native.ledger import NativeLedger
from adapters.native.sequencer import CheckpointSigner, open_sequencer
from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, Malformed
from fabric.core.plugins import nearest

_KEYS: Final = ["genesis", "path"]


async def open_ledger(
    config: Mapping[str, JsonValue],
    clock: Clock,
    signer: CheckpointSigner | None = None,
    caller: CallSigner | None = None,
) -> NativeLedger:
    """Opens a native ledger for appending, or founds it where its file is new.

    Args:
        config: ``path`` of the SQLite file and ``genesis``, the genesis document as an object.
        clock: the ledger's time; entries never go back.
        signer: holds the sequencer's key.
        caller: holds the key of the fabric's own account, where it consumes on this ledger.

    Raises:
        ConfigError: a setting is missing, unknown or ill-formed, or there is no signer.
        SequencerRunning: another process appends to it.
        ForeignLedger: the file holds another ledger, or the signer another key.
        Tampered: the file is not what its sequencer wrote.
    """
    for name in config:
        if name not in _KEYS:
            raise ConfigError(f"native ledger: unknown setting {name!r}{nearest(name, _KEYS)}")
    path = config.get("path")
    if not isinstance(path, str) or not path:
        raise ConfigError("native ledger: path must name its SQLite file")
    if signer is None:
        raise ConfigError("native ledger: the sequencer's key signs every checkpoint, and no signer was given")
    try:
        genesis = GenesisDocument.parse(config.get("genesis"))
    except Malformed as error:
        raise ConfigError(f"native ledger: {error}") from error
    return NativeLedger(await open_sequencer(Path(path), genesis, signer, clock), caller)
