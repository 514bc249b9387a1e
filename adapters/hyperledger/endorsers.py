"""Whose endorsements count: what a policy of the fabric trusts of a channel (docs/spec/hyperledger.md, trust). Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.certificates import MAX_PEM, ROLES, Certificate, leads_to_root, read_certificate
from adapters.hyperledger.genesis import read_name
from adapters.hyperledger.names import CHAINCODE, CHANNEL_ID
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.trust.fields import read_integer, read_list, read_object, read_text

MAX_MSPS: Final = 64
MAX_AUTHORITIES: Final = 16
MAX_PRINCIPALS: Final = 64
MAX_DEPTH: Final = 8
MAX_ATTEMPTS: Final = 10_000
"""Beyond it a policy is taken as not satisfied; one of a real channel takes about as many as it has principals."""
MEMBER: Final = "member"
_TRUST: Final = frozenset({"channel", "chaincode", "msps", "policy"})
_MSP: Final = frozenset({"roots", "intermediates"})
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


@dataclass(frozen=True)
class Organisation:
    """The authorities of an organisation."""

    roots: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]


@dataclass(frozen=True)
class Endorser:
    """Who endorsed: the MSP id that it names, and its certificate."""

    msp: str
    certificate: Certificate


@dataclass(frozen=True)
class Trust:
    """The roots of trust for a deployment.

    Attributes:
        channel: the channel's id.
        chaincode: the chaincode's name.
        msps: organisations by MSP id.
        policy: what endorsements must satisfy.
    """

    channel: str
    chaincode: str
    msps: Mapping[str, Organisation]
    policy: Policy

    def why_not(self, endorser: Endorser, time: int) -> str | None:
        """Says why an endorser does not count at a time, None where it does."""
        certificate, organisation = endorser.certificate, self.msps.get(endorser.msp)
        if organisation is None:
            return f"{endorser.msp} is no organisation that the policy names"
        if certificate.is_authority:
            return f"an authority of {endorser.msp} endorses nothing"
        if len(certificate.roles) > 1:
            return f"a certificate of {endorser.msp} with the roles {', '.join(sorted(certificate.roles))}"
        if not certificate.is_valid_at(time):
            return f"a certificate of {endorser.msp} that is not valid at {time}"
        if not leads_to_root(certificate, organisation.roots, organisation.intermediates, time):
            return f"a certificate that leads to no root of {endorser.msp}"
        return None

    def is_satisfied(self, endorsers: Sequence[Endorser]) -> bool:
        """Says whether endorsers that count satisfy the policy, no one for two principals."""
        free = Counter((each.msp, next(iter(each.certificate.roles), MEMBER)) for each in endorsers)
        attempts = iter(range(MAX_ATTEMPTS))
        return next(_ways(self.policy, free, attempts), None) is not None


Free = Counter[tuple[str, str]]
"""Endorsers that no principal has taken yet; those of one organisation and role stand for one another."""


def _ways(policy: Policy, free: Free, attempts: Iterator[int]) -> Iterator[Free]:
    """Gives who is left free, for each way in which a policy can be satisfied."""
    if next(attempts, None) is None:
        return
    if isinstance(policy, Threshold):
        yield from _choices(policy.of, policy.n, free, attempts)
        return
    for each in free:
        if free[each] and each[0] == policy.msp and policy.role in (MEMBER, each[1]):
            yield free - Counter([each])


def _choices(policies: tuple[Policy, ...], n: int, free: Free, attempts: Iterator[int]) -> Iterator[Free]:
    """Gives who is left free, for each way in which ``n`` of some policies can be satisfied together."""
    if n == 0:
        yield free
        return
    for at in range(len(policies) - n + 1):
        for left in _ways(policies[at], free, attempts):
            yield from _choices(policies[at + 1 :], n - 1, left, attempts)


def parse_trust(value: JsonObject) -> Trust | None:
    """Reads what a policy trusts; None for ``{}``; raises ``Malformed``."""
    if not value:
        return None
    fields = read_object(value, _TRUST, "trust")
    msps = fields["msps"]
    if not isinstance(msps, dict) or not 1 <= len(msps) <= MAX_MSPS:
        raise Malformed("trust.msps", f"expected an object with 1 to {MAX_MSPS} organisations")
    policy = _policy(fields["policy"], MAX_DEPTH)
    principals = list(_principals(policy))
    if len(principals) > MAX_PRINCIPALS or not {each.msp for each in principals} <= set(msps):
        raise Malformed("trust.policy", f"expected at most {MAX_PRINCIPALS} principals of the organisations named")
    return Trust(
        channel=read_name(fields["channel"], CHANNEL_ID, "trust.channel"),
        chaincode=read_name(fields["chaincode"], CHAINCODE, "trust.chaincode"),
        msps={name: _organisation(msp) for name, msp in msps.items()},
        policy=policy,
    )


def _organisation(value: JsonValue) -> Organisation:
    fields = read_object(value, _MSP, "trust.msps")
    roots, intermediates = (
        read_list(fields[name], _authority, f"trust.msps.{name}", MAX_AUTHORITIES)
        for name in ("roots", "intermediates")
    )
    if not roots:
        raise Malformed("trust.msps.roots", "expected at least one")
    return Organisation(roots, intermediates)


def _authority(value: JsonValue) -> Certificate:
    certificate = read_certificate(read_text(value, "trust.msps", MAX_PEM).encode())
    if not certificate.may_certify:
        raise Malformed("trust.msps", "a certificate that may sign no others")
    return certificate


def _policy(value: JsonValue, depth: int) -> Policy:
    if isinstance(value, str):
        msp, _, role = value.rpartition(".")
        if not msp or role not in ROLES | {MEMBER}:
            raise Malformed("trust.policy", f"expected <MSP id>.<role>, got {value[:80]!r}")
        return Principal(msp, role)
    fields = read_object(value, _THRESHOLD, "trust.policy")
    if not depth:
        raise Malformed("trust.policy", f"nested deeper than {MAX_DEPTH}")
    of = read_list(fields["of"], lambda each: _policy(each, depth - 1), "trust.policy.of", MAX_PRINCIPALS)
    if not of:
        raise Malformed("trust.policy.of", "expected at least one")
    return Threshold(read_integer(fields["n"], "trust.policy.n", 1, len(of)), of)


def _principals(policy: Policy) -> Iterator[Principal]:
    if isinstance(policy, Principal):
        yield policy
        return
    for each in policy.of:
        yield from _principals(each)
