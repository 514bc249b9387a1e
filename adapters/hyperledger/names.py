"""Names that the chaincode and its clients share (docs/spec/hyperledger.md). Pure."""

import re
from typing import Final

FOUND: Final = b"found"
APPLY: Final = b"apply"
READ: Final = b"read"
MAX_ITEMS: Final = 64
"""Calls of one ``apply``, keys of one ``read``."""

GENESIS_KEY: Final = "genesis"
REQUEST: Final = "request"
MAILBOX: Final = "mailbox"
EVENT: Final = "cryptlet-fabric/v1"
"""Name of the chaincode event."""

CHANNEL_ID: Final = re.compile(r"[a-z][a-z0-9.-]{0,248}")
CHAINCODE: Final = re.compile(r"(?=.{1,64}\Z)[a-zA-Z0-9]+(?:[-_][a-zA-Z0-9]+)*")
STATE_KEY: Final = re.compile(r"[!-~]{1,200}")
"""A state key that may be read: printable ASCII without space."""


def series_entry(series: str, transaction: str, number: int) -> str:
    """Returns the state key of the n-th request or mailbox event of a transaction.

    Args:
        series: ``REQUEST`` or ``MAILBOX``.
        transaction: the transaction id.
        number: its place in the transaction, from 0.
    """
    return f"{series}/{transaction}/{number}"
