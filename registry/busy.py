"""Errors of a registry that turns an upload away for now. Nothing of it was taken: repeating is safe."""

from fabric.core.errors import Party, PlatformError


class Busy(PlatformError):
    """A registry takes no upload just now; nothing of it was taken.

    Attributes:
        wait_seconds: when a repeat may be taken; 0 where nobody can say.
    """

    code = "busy"

    def __init__(self, message: str, wait_seconds: int = 0) -> None:
        """Takes the text for people."""
        super().__init__(message)
        self.wait_seconds = wait_seconds


class TooOften(Busy):
    """An address brings a registry more than its share; nothing of it was taken."""

    code = "too-often"
    party = Party.CALLER


class TooSlow(Busy):
    """An upload to a registry stopped or comes too slowly; nothing of it was taken."""

    code = "too-slow"
    party = Party.CALLER
