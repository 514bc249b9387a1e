"""Endorsement policies: which endorsers together count. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.authorities import ROLES, Holder
from fabric.core.canonical import JsonValue
from fabric.core.errors import Malformed
from fabric.trust.fields import read_integer, read_list, read_object

MAX_DEPTH: Final = 8
MAX_RULES: Final = 64
_PRINCIPAL: Final = re.compile(r"(.{1,200})\.(" + "|".join(ROLES) + ")")


@dataclass(frozen=True)
class Principal:
    """Someone who has a role in an organisation."""

    msp: str
    role: str


@dataclass(frozen=True)
class Threshold:
    """At least ``n`` of some rules, each with endorsers of its own."""

    n: int
    rules: "tuple[Policy, ...]"


Policy = Principal | Threshold


def parse_policy(value: JsonValue, field: str, depth: int = 0) -> Policy:
    """Reads a policy; raises ``Malformed``."""
    if isinstance(value, str):
        match = _PRINCIPAL.fullmatch(value)
        if match is None:
            raise Malformed(field, f"expected <MSP id>.<role>, a role being one of {', '.join(ROLES)}")
        return Principal(match[1], match[2])
    if depth == MAX_DEPTH:
        raise Malformed(field, f"nested deeper than {MAX_DEPTH}")
    fields = read_object(value, frozenset({"n", "of"}), field)
    rules = read_list(fields["of"], lambda each: parse_policy(each, field, depth + 1), field, MAX_RULES)
    return Threshold(read_integer(fields["n"], f"{field}.n", 1, len(rules)), rules)


def is_satisfied(policy: Policy, holders: Sequence[Holder]) -> bool:
    """Says whether endorsers satisfy a policy, as peers judge it: in order, each rule takes the first free ones."""
    return _take(policy, holders, frozenset()) is not None


def _take(policy: Policy, holders: Sequence[Holder], used: frozenset[int]) -> frozenset[int] | None:
    """Returns which endorsers are used up once the policy took its own, None where it does not hold."""
    if isinstance(policy, Principal):
        for at, holder in enumerate(holders):
            if at not in used and holder.msp == policy.msp and policy.role in holder.roles:
                return used | {at}
        return None
    held = 0
    for rule in policy.rules:
        taken = _take(rule, holders, used)
        if taken is not None:
            held, used = held + 1, taken
        if held == policy.n:
            return used
    return None
