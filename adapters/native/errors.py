"""What only the native ledger can report."""

from fabric.core.errors import LedgerError, LedgerUnavailable, Party


class Tampered(LedgerError):
    """The ledger's file is not what its sequencer wrote; nothing is appended to it.

    Attributes:
        part: which row: ``entry 7``, ``entries 3 to 5``, ``checkpoint 8``, ``state key/...``, ``genesis``.
    """

    code = "tampered"
    party = Party.OPERATOR

    def __init__(self, part: str, reason: str) -> None:
        """Names the part and the reason."""
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason


class SequencerRunning(LedgerUnavailable):
    """Another process appends to this ledger."""

    code = "sequencer-running"
    party = Party.OPERATOR


class WrongNonce(LedgerError):
    """A signed call bears another nonce than the sender's next; it has no effect."""

    code = "wrong-nonce"
    party = Party.CALLER
