"""Protocol between a process and its key process: canonical JSON frames over an inherited socket pair.

The first frame is the set-up, answered by the public keys; then one answer a request, in order. Every operation is
typed; none takes bytes to sign.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fabric.core.canonical import JsonObject, JsonValue
from fabric.signers.proposals import ClientGrant
from fabric.signers.transactions import Grant
from fabric.trust.fields import read_hex, read_integer, read_list, read_object, read_text

MAX_FRAME_BYTES: Final = 16 << 20
_FIELD: Final = "signer set-up"
_MAX_ALLOWED: Final = 1024
_MAX_PATH: Final = 4096


@dataclass(frozen=True)
class CheckpointKey:
    """An Ed25519 key that signs checkpoints of one log.

    Attributes:
        path: the key file, created where missing.
        origin: the log's name; checkpoints of another are refused.
    """

    path: Path
    origin: str


@dataclass(frozen=True)
class AccountKey:
    """A secp256k1 key that signs transactions of one account.

    Attributes:
        path: the key file, created where missing.
        grant: chain and addresses; anything else is refused.
    """

    path: Path
    grant: Grant


@dataclass(frozen=True)
class ClientKey:
    """A P-256 key that signs for one client of a Hyperledger channel.

    Attributes:
        path: the key file, created where missing.
        grant: channel and chaincodes; anything else is refused.
    """

    path: Path
    grant: ClientGrant


@dataclass(frozen=True)
class SetUp:
    """What a key process holds; each may be missing."""

    checkpoint: CheckpointKey | None = None
    account: AccountKey | None = None
    client: ClientKey | None = None

    def to_json(self) -> JsonObject:
        """Returns the first frame."""
        return {
            "checkpoint": _checkpoint(self.checkpoint),
            "account": _account(self.account),
            "client": _client(self.client),
        }


def parse_set_up(value: JsonValue) -> SetUp:
    """Reads the first frame; raises ``Malformed``."""
    fields = read_object(value, frozenset({"account", "checkpoint", "client"}), _FIELD)
    keys = _parse_checkpoint(fields["checkpoint"]), _parse_account(fields["account"])
    return SetUp(*keys, _parse_client(fields["client"]))


def _checkpoint(key: CheckpointKey | None) -> JsonValue:
    return None if key is None else {"path": str(key.path), "origin": key.origin}


def _account(key: AccountKey | None) -> JsonValue:
    if key is None:
        return None
    allowed: list[JsonValue] = [address.hex() for address in sorted(key.grant.allowed)]
    return {"path": str(key.path), "chain_id": key.grant.chain_id, "allowed": allowed}


def _parse_checkpoint(value: JsonValue) -> CheckpointKey | None:
    if value is None:
        return None
    fields = read_object(value, frozenset({"origin", "path"}), f"{_FIELD}.checkpoint")
    return CheckpointKey(_path(fields["path"]), read_text(fields["origin"], f"{_FIELD}.checkpoint.origin"))


def _parse_account(value: JsonValue) -> AccountKey | None:
    if value is None:
        return None
    fields = read_object(value, frozenset({"allowed", "chain_id", "path"}), f"{_FIELD}.account")
    field = f"{_FIELD}.account.allowed"
    allowed = read_list(fields["allowed"], lambda item: read_hex(item, field), field, _MAX_ALLOWED)
    chain_id = read_integer(fields["chain_id"], f"{_FIELD}.account.chain_id", 1, 2**53 - 1)
    return AccountKey(_path(fields["path"]), Grant(chain_id, frozenset(allowed)))


def _client(key: ClientKey | None) -> JsonValue:
    if key is None:
        return None
    chaincodes: list[JsonValue] = [*sorted(key.grant.chaincodes)]
    return {"path": str(key.path), "channel": key.grant.channel, "chaincodes": chaincodes}


def _parse_client(value: JsonValue) -> ClientKey | None:
    if value is None:
        return None
    field = f"{_FIELD}.client"
    fields = read_object(value, frozenset({"chaincodes", "channel", "path"}), field)
    chaincodes = read_list(fields["chaincodes"], lambda item: read_text(item, field), field, _MAX_ALLOWED)
    return ClientKey(_path(fields["path"]), ClientGrant(read_text(fields["channel"], field), frozenset(chaincodes)))


def _path(value: JsonValue) -> Path:
    return Path(read_text(value, f"{_FIELD}.path", _MAX_PATH))
