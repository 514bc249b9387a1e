"""What an operation made true; Solidity emits events of the same names and fields."""

from dataclasses import dataclass

from fabric.core.ids import (
    Account,
    BatchId,
    BindingVersion,
    Digest,
    IntentId,
    InvocationId,
    Measurement,
    MessageId,
)
from fabric.trust.attestation import Assurance, KeyState
from fabric.trust.message import Channel, Ending, Message


@dataclass(frozen=True)
class Registered:
    """An enclave's key became active, or its attestation was renewed.

    Attributes:
        key_id: ``KeySet.id``.
        result: digest of the attestation result.
        epoch: the key epoch.
        assurance: what the evidence rests on.
        not_after: end of validity, Unix seconds.
    """

    key_id: Digest
    result: Digest
    epoch: int
    assurance: Assurance
    not_after: int


@dataclass(frozen=True)
class KeyStatusSet:
    """A key was retired or revoked; ``deadline`` as in ``KeyStatus``."""

    key_id: Digest
    state: KeyState
    deadline: int


@dataclass(frozen=True)
class CodeRevocationSet:
    """Code is revoked, or since an earlier time than before; ``since`` as in ``CodeRevocation``."""

    measurement: Measurement
    since: int


@dataclass(frozen=True)
class Settled:
    """A batch is anchored."""

    batch: BatchId
    key_id: Digest
    count: int
    root: Digest


@dataclass(frozen=True)
class Consumed:
    """An intent is spent."""

    intent: IntentId
    batch: BatchId
    invocation: InvocationId
    recipient: Account


@dataclass(frozen=True)
class Requested:
    """A requester asks for an invocation; ``index`` counts all requests of this ledger, ``nonce`` the requester's."""

    index: int
    invocation: InvocationId
    requester: Account
    nonce: int
    method: Digest
    input: Digest
    binding: BindingVersion
    state_version: int


@dataclass(frozen=True)
class ChannelOpened:
    """An account opened its end of a channel; ``index`` counts the mailbox's events, here and below."""

    index: int
    channel: Channel
    account: Account


@dataclass(frozen=True)
class Sent:
    """A message waits to be carried."""

    index: int
    message: Message
    body: bytes


@dataclass(frozen=True)
class Delivered:
    """A message reached its recipient, who answered with ``result``."""

    index: int
    message: Message
    result: bytes


@dataclass(frozen=True)
class Expired:
    """A message will never be delivered: its tombstone stands."""

    index: int
    message: Message


@dataclass(frozen=True)
class Acknowledged:
    """A message's sender knows what became of it."""

    message: MessageId
    ending: Ending
    result: bytes


IndexedEvent = ChannelOpened | Sent | Delivered | Expired
"""The events that other ledgers need; they have one contiguous index."""
Event = Registered | KeyStatusSet | CodeRevocationSet | Settled | Consumed | Requested | IndexedEvent | Acknowledged
