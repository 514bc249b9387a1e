"""Signature policies: ``AND('Org1MSP.peer', OR('Org2MSP.peer', 'Org3MSP.peer'))`` and ``OutOf(2, ...)``."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.embedded.identities import ROLES, Identity
from fabric.core.errors import ConfigError

_TOKEN: Final = re.compile(r"\s*(?:(?P<name>AND|OR|OutOf)\s*\(|'(?P<principal>[^']+)'|(?P<number>\d+)|(?P<mark>[,)]))")
_NEEDED: Final[dict[str, Callable[[int], int]]] = {"AND": lambda count: count, "OR": lambda _count: 1}
_MAX_DEPTH: Final = 16


@dataclass(frozen=True)
class Principal:
    """Somebody of an organisation in a role."""

    msp: str
    role: str


@dataclass(frozen=True)
class OutOf:
    """So many of some policies, each by identities of its own."""

    needed: int
    rules: tuple["Policy", ...]


Policy = Principal | OutOf


def parse_policy(text: str) -> Policy:
    """Reads a policy's usual text form; raises ``ConfigError``."""
    reader = _Reader(text)
    policy = reader.policy(0)
    reader.end()
    return policy


def is_satisfied(policy: Policy, identities: Sequence[Identity]) -> bool:
    """Says whether identities satisfy a policy; each counts once."""
    return _take(policy, list(identities)) is not None


def _take(policy: Policy, free: list[Identity]) -> list[Identity] | None:
    """Returns the identities that a policy leaves, None where it is not satisfied."""
    if isinstance(policy, Principal):
        for place, identity in enumerate(free):
            if identity.msp == policy.msp and identity.has_role(policy.role):
                return free[:place] + free[place + 1 :]
        return None
    held = 0
    for rule in policy.rules:  # all of them, in their order, as real peers do: not those alone that are needed
        left = _take(rule, free)
        if left is not None:
            free, held = left, held + 1
    return free if held >= policy.needed else None


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def policy(self, depth: int) -> Policy:
        match = self._next()
        if depth > _MAX_DEPTH:
            raise self._error("deeper than any policy is")
        if match["principal"]:
            return self._principal(match["principal"])
        if not match["name"]:
            raise self._error("expected AND(, OR(, OutOf( or a principal in quotes")
        needed = self._count() if match["name"] == "OutOf" else 0
        rules = [self.policy(depth + 1)]
        while (mark := self._next()["mark"]) == ",":
            rules.append(self.policy(depth + 1))
        if mark != ")":
            raise self._error("expected , or )")
        needed = needed or _NEEDED[match["name"]](len(rules))
        if needed > len(rules):
            raise self._error(f"{needed} of {len(rules)} can never be")
        return OutOf(needed, tuple(rules))

    def end(self) -> None:
        if self._text[self._at :].strip():
            raise self._error("nothing may follow")

    def _count(self) -> int:
        number, mark = self._next()["number"], self._next()["mark"]
        if not number or int(number) < 1 or mark != ",":
            raise self._error("expected a number of at least 1, and a comma")
        return int(number)

    def _principal(self, text: str) -> Principal:
        msp, _, role = text.rpartition(".")
        if not msp or role not in ROLES:
            raise self._error(f"{text!r} is no organisation and role; roles are {', '.join(ROLES)}")
        return Principal(msp, role)

    def _next(self) -> re.Match[str]:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._error("not understood")
        self._at = match.end()
        return match

    def _error(self, reason: str) -> ConfigError:
        return ConfigError(f"endorsement policy {self._text!r}, at character {self._at}: {reason}")
