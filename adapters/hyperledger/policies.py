"""Endorsement policies: which endorsers together count. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.certificates import ROLES
from fabric.core.canonical import JsonValue
from fabric.core.errors import Malformed
from fabric.trust.fields import read_integer, read_list, read_object

MEMBER: Final = "member"
MAX_PRINCIPALS: Final = 64
MAX_DEPTH: Final = 8
MAX_ATTEMPTS: Final = 10_000
"""Beyond it a policy is taken as not satisfied; one of a real channel takes about as many as it has principals."""
_PRINCIPALS: Final = (MEMBER, *sorted(ROLES))
_THRESHOLD: Final = frozenset({"n", "of"})


@dataclass(frozen=True)
class Principal:
    """Somebody of an organisation, by role."""

    msp: str
    role: str


@dataclass(frozen=True)
class Threshold:
    """At least ``n`` of some policies, each with endorsers of its own."""

    n: int
    of: "tuple[Policy, ...]"


Policy = Principal | Threshold
Who = tuple[str, str]
"""MSP id and role of an endorser; ``member`` where the certificate names no role."""


def parse_policy(value: JsonValue, field: str) -> Policy:
    """Reads a policy; raises ``Malformed``."""
    policy = _parse(value, field, MAX_DEPTH)
    if len(list(principals(policy))) > MAX_PRINCIPALS:
        raise Malformed(field, f"expected at most {MAX_PRINCIPALS} principals")
    return policy


def principals(policy: Policy) -> Iterator[Principal]:
    """Gives every principal of a policy, as often as it is named."""
    if isinstance(policy, Principal):
        yield policy
        return
    for each in policy.of:
        yield from principals(each)


def is_satisfied(policy: Policy, endorsers: Iterable[Who]) -> bool:
    """Says whether there is a way in which endorsers satisfy a policy, none of them for two principals."""
    attempts = iter(range(MAX_ATTEMPTS))
    return next(_ways(policy, Counter(endorsers), attempts), None) is not None


Free = Counter[Who]
"""Endorsers that no principal has taken yet; those of one organisation and role stand for one another."""


def _ways(policy: Policy, free: Free, attempts: Iterator[int]) -> Iterator[Free]:
    """Gives who is left free, for each way in which a policy can be satisfied."""
    if next(attempts, None) is None:
        return
    if isinstance(policy, Threshold):
        yield from _choices(policy.of, policy.n, free, attempts)
        return
    for each in free:
        if each[0] == policy.msp and policy.role in (MEMBER, each[1]):
            yield free - Counter([each])


def _choices(policies: tuple[Policy, ...], n: int, free: Free, attempts: Iterator[int]) -> Iterator[Free]:
    """Gives who is left free, for each way in which ``n`` of some policies can be satisfied together."""
    if n == 0:
        yield free
        return
    for at in range(len(policies) - n + 1):
        for left in _ways(policies[at], free, attempts):
            yield from _choices(policies[at + 1 :], n - 1, left, attempts)


def _parse(value: JsonValue, field: str, depth: int) -> Policy:
    if isinstance(value, str):
        msp, _, role = value.rpartition(".")
        if not msp or role not in _PRINCIPALS:
            raise Malformed(field, f"expected <MSP id>.<role>, a role being one of {', '.join(_PRINCIPALS)}")
        return Principal(msp, role)
    fields = read_object(value, _THRESHOLD, field)
    if not depth:
        raise Malformed(field, f"nested deeper than {MAX_DEPTH}")
    of = read_list(fields["of"], lambda each: _parse(each, field, depth - 1), f"{field}.of", MAX_PRINCIPALS)
    return Threshold(read_integer(fields["n"], f"{field}.n", 1, len(of)), of)
