"""Ceremony: what the offline keys sign, once at the beginning and then at every rotation.

Root and targets have a threshold each. A rotation signs the next root by the old keys and the new ones, as TUF demands,
so that a client that knows any former root finds its way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tuf.api.metadata import Delegations, Key, Metadata, Root, SuccinctRoles, Targets
from tuf.api.serialization.json import JSONSerializer

from fabric.core.clock import Clock
from fabric.core.errors import ConfigError
from registry.tuf.keys import Key as OwnKey
from registry.tuf.pins import BIN_BITS, BIN_PREFIX, FIELD, Pins

OFFLINE_SECONDS: Final = 365 * 86_400
_ONLINE_ROLES: Final = ("timestamp", "snapshot")
_OFFLINE_ROLES: Final = ("root", "targets")
_SERIALIZER: Final = JSONSerializer(compact=True)


@dataclass(frozen=True)
class Keys:
    """The keys of a ceremony.

    Attributes:
        root: of the role root.
        targets: of the role targets.
        threshold: how many of each role's keys must sign.
        online: signs timestamp, snapshot and bins.
    """

    root: Sequence[OwnKey]
    targets: Sequence[OwnKey]
    threshold: int
    online: OwnKey


def write_root(keys: Keys, clock: Clock, old: bytes | None = None, old_keys: Sequence[OwnKey] = ()) -> bytes:
    """Returns root metadata; with an old one its successor, signed by the old root keys as well.

    Raises:
        ConfigError: the old keys are too few, or are not the old root's.
    """
    root = Root(expires=_after(clock), consistent_snapshot=True)
    if old is not None:
        root.version = Metadata[Root].from_bytes(old).signed.version + 1
    by_role = {"root": keys.root, "targets": keys.targets, **{role: [keys.online] for role in _ONLINE_ROLES}}
    for role, members in by_role.items():
        root.roles[role].threshold = keys.threshold if role in _OFFLINE_ROLES else 1
        for key in members:
            root.add_key(_public(key), role)
    metadata = Metadata(root)
    for key in [*old_keys, *keys.root]:
        metadata.sign(key.signer, append=True)
    if old is not None:
        _check_succession(Metadata[Root].from_bytes(old), metadata)
    metadata.verify_delegate("root", metadata)
    return metadata.to_bytes(_SERIALIZER)


def write_targets(keys: Keys, pins: Pins, clock: Clock, version: int = 1) -> bytes:
    """Returns targets metadata: the delegation of the bins to the online key, and the pins."""
    public = _public(keys.online)
    roles = SuccinctRoles([public.keyid], 1, BIN_BITS, BIN_PREFIX)
    targets = Targets(
        version=version,
        expires=_after(clock),
        delegations=Delegations({public.keyid: public}, succinct_roles=roles),
        unrecognized_fields={FIELD: pins.to_json()},
    )
    metadata = Metadata(targets)
    for key in keys.targets:
        metadata.sign(key.signer, append=True)
    return metadata.to_bytes(_SERIALIZER)


def version_of(metadata: bytes) -> int:
    """Returns the version of root or targets metadata."""
    return int(Metadata.from_bytes(metadata).signed.version)


def _check_succession(old: Metadata[Root], new: Metadata[Root]) -> None:
    result = old.signed.get_verification_result("root", new.signed_bytes, new.signatures)
    if not result.verified:
        message = f"{len(result.signed)} of the {result.threshold} old root keys signed that it takes"
        raise ConfigError(f"the next root: {message}; name the folder of the old ceremony's keys")


def _public(key: OwnKey) -> Key:
    return key.signer.public_key


def _after(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.unix_seconds() + OFFLINE_SECONDS, UTC)
