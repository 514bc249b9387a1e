"""A native ledger in a folder: its genesis document is made once and kept beside its file."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from adapters.native.genesis import GenesisDocument
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger, Malformed
from fabric.ledger.devnet import Founded, Founding, LogKey
from fabric.trust.attestation import KeySet
from fabric.trust.kind import Status

GENESIS_NAME: Final = "native-genesis.json"
LEDGER_NAME: Final = "native.db"


class NativeDevnet:
    """``fabric.ledger.devnet.Devnet``; there is no process to start, the ledger runs inside its opener."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Takes the folder and the clock that dates a new genesis."""
        self._folder = folder
        self._clock = clock

    async def found(self, founding: Founding) -> Founded:
        """Makes the genesis document, or reads the one that the folder holds.

        Raises:
            ForeignLedger: it names other founders.
        """
        document = self._document(founding)
        return Founded(
            destination=document.destination,
            settings={"path": str(self._folder / LEDGER_NAME), "genesis": document.fields},
            trust={"log_key": document.sequencer.hex(), "origin": document.origin},
            minimum_status=Status.OPERATOR_FINAL,
            accept_asserted=False,
            signer=LogKey(document.origin),
        )

    async def describe(self) -> JsonObject:
        """Returns where the ledger lies."""
        return {"network": "native", "path": str(self._folder / LEDGER_NAME)}

    async def aclose(self) -> None:
        """Nothing runs."""

    def _document(self, founding: Founding) -> GenesisDocument:
        path = self._folder / GENESIS_NAME
        keys = (KeySet(one.ed25519, one.address) for one in founding.appraisers)
        wanted = GenesisDocument(
            name=founding.name,
            sequencer=founding.sequencer,
            appraisers=tuple(sorted(keys, key=lambda one: one.ed25519)),
            threshold=founding.threshold,
            salt=secrets.token_bytes(32),
            created=self._clock.unix_seconds(),
        )
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: a half-written genesis would orphan the ledger.
            draft = path.with_suffix(".draft")
            draft.write_bytes(wanted.encoded)
            draft.replace(path)
            return wanted
        return _same_founders(path, wanted)


async def start(folder: Path, options: Mapping[str, JsonValue], clock: Clock) -> NativeDevnet:
    """Entry point in the group ``cryptlet.devnets``; takes no options.

    Raises:
        ConfigError: an option was given.
    """
    if options:
        raise ConfigError(f"native devnet: unknown option {min(options)!r}, it takes none")
    return NativeDevnet(folder, clock)


def _same_founders(path: Path, wanted: GenesisDocument) -> GenesisDocument:
    try:
        stored = GenesisDocument.decode(path.read_bytes())
    except Malformed as error:
        raise ForeignLedger(f"{path}: {error}") from error
    for name in ("name", "sequencer", "appraisers", "threshold"):
        if getattr(stored, name) != getattr(wanted, name):
            raise ForeignLedger(f"{path} was founded with another {name}; move the folder away to start anew")
    return stored
