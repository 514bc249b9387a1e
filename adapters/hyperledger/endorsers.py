"""Whose signatures count: organisations' authorities, and what a policy trusts of a channel. Pure.

docs/spec/hyperledger.md, trust.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger import messages
from adapters.hyperledger.certificates import MAX_PEM, Certificate, leads_to_root, read_certificate
from adapters.hyperledger.genesis import read_name
from adapters.hyperledger.names import CHAINCODE, CHANNEL_ID
from adapters.hyperledger.policies import MEMBER, Policy, Who, parse_policy, principals
from adapters.hyperledger.protobuf import read
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.trust.fields import read_list, read_object, read_text

MAX_MSPS: Final = 64
MAX_AUTHORITIES: Final = 16
_TRUST: Final = frozenset({"channel", "chaincode", "msps", "policy"})
_MSP: Final = frozenset({"roots", "intermediates"})


@dataclass(frozen=True)
class Organisation:
    """The authorities of an organisation."""

    roots: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]


Organisations = Mapping[str, Organisation]
"""By MSP id."""


@dataclass(frozen=True)
class Endorser:
    """Who signed: the MSP id that it names, and its certificate."""

    msp: str
    certificate: Certificate

    @property
    def who(self) -> Who:
        """What a policy asks of it; means something only where it counts, see ``why_not``."""
        return self.msp, next(iter(self.certificate.roles), MEMBER)

    def why_not(self, organisations: Organisations, time: int | None) -> str | None:
        """Says why it does not count among some organisations, None where it does.

        Args:
            organisations: those that are trusted.
            time: when certificates must have been valid, Unix seconds; None where that does not matter.
        """
        certificate, organisation = self.certificate, organisations.get(self.msp)
        if organisation is None:
            return f"organisation {self.msp[:80]!r} is not among the trusted ones"
        if certificate.is_authority:
            return f"an authority's certificate of {self.msp} stands for a member"
        if len(certificate.roles) > 1:
            return f"a certificate of {self.msp} has the roles {', '.join(sorted(certificate.roles))}"
        if not certificate.is_valid_at(time):
            return f"a certificate of {self.msp} was not valid at {time}"
        if not leads_to_root(certificate, organisation.roots, organisation.intermediates, time):
            return f"a certificate does not chain to a root of {self.msp}"
        return None


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
    msps: Organisations
    policy: Policy


def read_endorser(identity: bytes) -> Endorser:
    """Reads a serialised identity; raises ``Malformed``."""
    fields = read(messages.IDENTITY, identity)
    return Endorser(fields.text(1), read_certificate(fields.raw(2)))


def parse_trust(value: JsonObject) -> Trust | None:
    """Reads what a policy trusts; None for ``{}``; raises ``Malformed``."""
    if not value:
        return None
    fields = read_object(value, _TRUST, "trust")
    msps = parse_organisations(fields["msps"], "trust.msps")
    policy = parse_policy(fields["policy"], "trust.policy")
    if not {each.msp for each in principals(policy)} <= set(msps):
        raise Malformed("trust.policy", "expected principals of the organisations named")
    return Trust(
        channel=read_name(fields["channel"], CHANNEL_ID, "trust.channel"),
        chaincode=read_name(fields["chaincode"], CHAINCODE, "trust.chaincode"),
        msps=msps,
        policy=policy,
    )


def parse_organisations(value: JsonValue, field: str) -> dict[str, Organisation]:
    """Reads authorities by MSP id: objects of ``roots`` and ``intermediates``, PEM; raises ``Malformed``."""
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_MSPS:
        raise Malformed(field, f"expected an object with 1 to {MAX_MSPS} organisations")
    return {name: _organisation(each, f"{field}.{name}") for name, each in value.items()}


def _organisation(value: JsonValue, field: str) -> Organisation:
    fields = read_object(value, _MSP, field)
    roots, intermediates = (_authorities(fields[name], f"{field}.{name}") for name in ("roots", "intermediates"))
    if not roots:
        raise Malformed(f"{field}.roots", "expected at least one")
    return Organisation(roots, intermediates)


def _authorities(value: JsonValue, field: str) -> tuple[Certificate, ...]:
    found = read_list(
        value, lambda each: read_certificate(read_text(each, field, MAX_PEM).encode()), field, MAX_AUTHORITIES
    )
    if not all(each.may_certify for each in found):
        raise Malformed(field, "a certificate that may sign no others")
    return found
