"""Founding a deployment on a channel, and the folder that remembers it, so that a crash founds no second one."""

import json
import secrets
from pathlib import Path
from typing import Final, cast

from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.identity import ClientKeys
from adapters.hyperledger.client.ledger import Parts
from adapters.hyperledger.client.plugin import connect
from adapters.hyperledger.client.settings import parse_settings
from adapters.hyperledger.genesis import GenesisDocument
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger, Malformed
from fabric.core.ids import WORD_BYTES
from fabric.ledger.devnet import Founding
from fabric.trust.attestation import KeySet
from fabric.trust.fields import read_object

SKEW: Final = 60
"""Seconds by which a transaction's timestamp may differ from an endorser's clock."""
_KEPT: Final = frozenset({"founders", "settings"})
_NOWHERE: Final = bytes(WORD_BYTES).hex()


class Memory:
    """A folder that knows one deployment."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Takes the folder."""
        self._folder = folder
        self._clock = clock
        self._place = folder / "deployment.json"

    async def deployment(self, founding: Founding, terms: JsonObject, keys: ClientKeys) -> JsonObject:
        """Returns ``block`` and ``salt`` of the deployment; founds it where the folder knows none.

        Args:
            founding: who may vouch for enclaves.
            terms: settings without ``block`` and ``salt``.
            keys: the key of the certificate that the terms name.

        Raises:
            ForeignLedger: the folder, or the chaincode, holds a deployment of other founders.
            ConfigError: the folder's file is spoiled, or the settings cannot be used.
            LedgerError: the network does not answer, or refuses.
        """
        kept = self._kept(founding)
        if kept is not None:
            return kept
        unfounded = terms | {"block": _NOWHERE, "salt": _NOWHERE}
        parts = connect(parse_settings(unfounded), self._clock, keys)
        try:
            return await self._found(founding, parts)
        finally:
            await parts.asking.peers.aclose()

    async def _found(self, founding: Founding, parts: Parts) -> JsonObject:
        endorser = parts.asking.endorser
        first = await parts.chain.first(parts.asking.limits.deliver_seconds)
        document = GenesisDocument(
            channel=endorser.place.channel,
            chaincode=endorser.place.chaincode,
            block=first.hash,
            appraisers=appraisers_of(founding),
            threshold=founding.threshold,
            skew=SKEW,
            salt=self._salt(),
        )
        stated = await Caller(parts.asking.peers, endorser).found(document.encoded)
        if stated != document.destination.id:
            raise ForeignLedger(f"chaincode {endorser.place.chaincode!r} was founded as {stated.hex()}, not as ours")
        settings: JsonObject = {"block": first.hash.hex(), "salt": document.salt.hex()}
        write(self._place, json.dumps({"founders": _founders(founding), "settings": settings}))
        return settings

    def _salt(self) -> bytes:
        """Returns the salt, chosen before anything is founded: who is killed meanwhile founds the same again."""
        place = self._folder / "salt"
        if not place.exists():
            write(place, secrets.token_hex(WORD_BYTES))
        return bytes.fromhex(place.read_text())

    def _kept(self, founding: Founding) -> JsonObject | None:
        """Returns the settings of the deployment that the folder knows."""
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


def appraisers_of(founding: Founding) -> tuple[KeySet, ...]:
    """Returns the appraisers in the order of a genesis document."""
    keys = (KeySet(each.ed25519, each.address) for each in founding.appraisers)
    return tuple(sorted(keys, key=lambda one: one.ed25519))


def write(place: Path, text: str) -> None:
    """Writes a file; a reader sees the old one or the new one, never a part."""
    draft = place.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(place)


def _founders(founding: Founding) -> JsonObject:
    appraisers: list[JsonValue] = [each.ed25519.hex() for each in appraisers_of(founding)]
    return {"appraisers": appraisers, "threshold": founding.threshold}
