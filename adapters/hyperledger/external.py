"""A channel that others run: the fabric founds a deployment of the chaincode on it, or opens one that is there.

Its settings are a JSON file, since they hold certificates and a policy. The fabric's own key is made at its first
start; the organisation's authority makes the certificate out for it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.hyperledger.client.plugin import check_channel, check_genesis
from adapters.hyperledger.client.plugin import connect as assemble
from adapters.hyperledger.client.settings import Settings, parse_settings
from adapters.hyperledger.development import public_pem
from adapters.hyperledger.founding import Memory, appraisers_of
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError, ForeignLedger
from fabric.core.plugins import nearest
from fabric.ledger.devnet import ChannelClient, Founded, Founding, OpenSigner
from fabric.trust.kind import Status

_DEPLOYMENT: Final = ("block", "salt")


class ExternalOptions(BaseModel):
    """What the configuration says of a channel that runs elsewhere.

    Attributes:
        settings: JSON file with the settings (``adapters.hyperledger.client.settings.Settings``); with ``block`` and
            ``salt`` a deployment that is there is opened, without them one is founded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: Path


async def connect(
    folder: Path, options: Mapping[str, JsonValue], clock: Clock, open_signer: OpenSigner
) -> "ExternalChannel":
    """Entry point in the group ``cryptlet.externals``.

    Args:
        folder: where the facts of the founding lie.
        options: see ``ExternalOptions``.
        clock: gives transactions their time.
        open_signer: starts the signer of the fabric's client, for the founding.

    Raises:
        ConfigError: unknown or wrong option, or the file cannot be used.
    """
    place = _options(options).settings
    try:
        terms = json.loads(place.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"hyperledger: {place}: no JSON file with settings: {error}") from error
    if not isinstance(terms, dict) or not {"channel", "chaincode", "certificate", "msp"} <= set(terms):
        raise ConfigError(
            f"hyperledger: {place}: expected an object with channel, chaincode, msp, certificate and more"
        )
    return ExternalChannel(folder, terms, clock, open_signer)


class ExternalChannel:
    """A channel that runs elsewhere (``fabric.ledger.devnet.Devnet``)."""

    def __init__(self, folder: Path, terms: JsonObject, clock: Clock, open_signer: OpenSigner) -> None:
        """Asks nothing yet."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._terms = terms
        self._clock = clock
        self._open_signer = open_signer

    async def found(self, founding: Founding) -> Founded:
        """Opens the configured deployment, or the one that the folder knows; founds one where there is neither.

        Raises:
            ConfigError: there is no certificate yet: names the file with the key that it is to be made out for.
            ForeignLedger: the deployment is of other founders, or the channel is another one.
            LedgerError: the channel's peers do not answer, or refuse.
        """
        self._check_certificate(founding.client)
        need = ChannelClient(str(self._terms["channel"]), str(self._terms["chaincode"]))
        signer = await self._open_signer(need)
        try:
            settings = await self._settings(founding, signer)
            read = parse_settings(settings)
            await self._check(founding, read, signer)
        finally:
            await signer.aclose()
        return Founded(read.destination, settings, read.trust, Status.FINAL, accept_asserted=False, signer=need)

    async def describe(self) -> JsonObject:
        """Returns what the settings name."""
        return {name: self._terms[name] for name in ("channel", "chaincode", "endpoints", "msp")}

    async def aclose(self) -> None:
        """Others end it."""

    async def _settings(self, founding: Founding, signer: Any) -> JsonObject:  # noqa: ANN401 - see OpenSigner
        if all(name in self._terms for name in _DEPLOYMENT):
            return self._terms
        return self._terms | await Memory(self._folder, self._clock).deployment(founding, self._terms, signer)

    async def _check(self, founding: Founding, read: Settings, signer: Any) -> None:  # noqa: ANN401
        parts = assemble(read, self._clock, signer)
        try:
            await check_channel(parts, read)
            _, document = await check_genesis(parts, read)
        finally:
            await parts.asking.peers.aclose()
        if (document.appraisers, document.threshold) != (appraisers_of(founding), founding.threshold):
            raise ForeignLedger(
                f"the deployment on channel {read.channel!r} takes the word of other appraisers than this fabric's"
            )

    def _check_certificate(self, key: bytes) -> None:
        named = str(self._terms["certificate"])
        if named.startswith("-----BEGIN ") or Path(named).exists():
            return
        public = self._folder / "client.pub.pem"
        public.write_bytes(public_pem(key))
        raise ConfigError(
            f"hyperledger: there is no certificate {named}: have the authority of {self._terms['msp']} make one out "
            f"for the key in {public}, as a client, put it there, and start again"
        )


def _options(options: Mapping[str, JsonValue]) -> ExternalOptions:
    try:
        return ExternalOptions.model_validate(dict(options))
    except ValidationError as error:
        # A misspelt key is missing under its right name too; the misspelling tells more.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        told = nearest(key, ["settings"]) if first["type"] == "extra_forbidden" else f": {first['msg']}"
        raise ConfigError(f"hyperledger: {key!r}{told}") from error
