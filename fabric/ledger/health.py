"""How a ledger is, for people: what an adapter offers beside the port. Nothing is decided by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fabric.core.canonical import JsonValue


@runtime_checkable
class Healthy(Protocol):
    """A ledger that tells how it is."""

    async def health(self) -> Mapping[str, JsonValue]:
        """Returns facts by name, in the order in which they are shown: head, final, relayer, balance, fees, ...

        Numbers beyond 2**53, such as wei, are decimal texts.

        Raises:
            LedgerUnavailable: the ledger does not answer.
        """
        ...


@dataclass(frozen=True)
class Check:
    """One finding of a test of a ledger.

    Attributes:
        name: what was looked at.
        ok: whether it is as it should be.
        found: what was found.
        fix: what to do; empty where all is well.
    """

    name: str
    ok: bool
    found: str
    fix: str = ""


class Checker(Protocol):
    """What an adapter's entry point in the group ``cryptlet.checks`` is: it connects by itself, and only reads."""

    async def __call__(
        self, settings: Mapping[str, JsonValue], destination: bytes, account: bytes | None
    ) -> Sequence[Check]:
        """Tests a deployment; a ledger that does not answer is a finding, not an error.

        Args:
            settings: what the adapter's ``open_ledger`` takes.
            destination: id that the deployment must have.
            account: the account that pays for transactions, where there is one.

        Raises:
            ConfigError: the settings cannot be used.
        """
        ...
