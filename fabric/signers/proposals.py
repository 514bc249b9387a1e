"""Invocations of a Hyperledger chaincode as the key process signs them: typed fields in, envelopes out.

The key process writes proposal and transaction itself, so that what it checked is what it signs. What endorsers
answered is opaque to it: it goes into the envelope as it is, under the header and arguments that were asked for.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.core.errors import Malformed, Refused
from fabric.signers.protobuf import data, item, number, text
from fabric.trust.fields import read_base64, read_integer, read_list, read_object, read_text

NONCE_BYTES: Final = 24
MAX_ARGUMENTS: Final = 65
"""A function's name and 64 more."""
MAX_ARGUMENT_BYTES: Final = 1 << 20
MAX_ENDORSEMENTS: Final = 64
MAX_ENDORSED_BYTES: Final = 4 << 20
_ENDORSER_TRANSACTION: Final = 3
_NODE: Final = 2
"""What clients name as the language of a chaincode; peers do not look at it."""
_MAX_CERTIFICATE: Final = 16_384
_IDENTITY: Final = frozenset({"certificate", "msp"})
_INVOCATION: Final = frozenset({"args", "chaincode", "channel", "identity", "nonce", "seconds"})
_ENDORSED: Final = frozenset({"endorsements", "response"})
_ENDORSEMENT: Final = frozenset({"endorser", "signature"})


@dataclass(frozen=True)
class Identity:
    """Who signs: an MSP id and the certificate, PEM, that this MSP's authority made out to the key."""

    msp: str
    certificate: str

    @cached_property
    def encoded(self) -> bytes:
        """``msp.SerializedIdentity``: the creator of a proposal."""
        return text(1, self.msp) + text(2, self.certificate)

    def to_json(self) -> JsonObject:
        """Returns what ``parse_identity`` reads."""
        return {"msp": self.msp, "certificate": self.certificate}


@dataclass(frozen=True)
class Invocation:
    """A call of a chaincode by a client.

    Attributes:
        channel: the channel's id.
        chaincode: the chaincode's name on the channel.
        args: the function's name and its arguments.
        seconds: the transaction's timestamp, Unix seconds.
        nonce: 24 random bytes.
        identity: who asks.
    """

    channel: str
    chaincode: str
    args: tuple[bytes, ...]
    seconds: int
    nonce: bytes
    identity: Identity

    @cached_property
    def transaction(self) -> str:
        """The transaction id: SHA-256 of nonce and creator, hexadecimal."""
        return hashlib.sha256(self.nonce + self.identity.encoded).hexdigest()

    @cached_property
    def channel_header(self) -> bytes:
        """``common.ChannelHeader``."""
        extension = item(2, self._chaincode_id)  # ChaincodeHeaderExtension
        return b"".join(
            (
                number(1, _ENDORSER_TRANSACTION),
                item(3, number(1, self.seconds)),
                text(4, self.channel),
                text(5, self.transaction),
                data(7, extension),
            )
        )

    @cached_property
    def signature_header(self) -> bytes:
        """``common.SignatureHeader``."""
        return data(1, self.identity.encoded) + data(2, self.nonce)

    @cached_property
    def payload(self) -> bytes:
        """``protos.ChaincodeProposalPayload``, without transient fields."""
        arguments = b"".join(item(1, each) for each in self.args)
        spec = number(1, _NODE) + item(2, self._chaincode_id) + item(3, arguments)
        return data(1, item(1, spec))

    @cached_property
    def header(self) -> bytes:
        """``common.Header``."""
        return data(1, self.channel_header) + data(2, self.signature_header)

    @cached_property
    def proposal(self) -> bytes:
        """``protos.Proposal``, which the client signs."""
        return data(1, self.header) + data(2, self.payload)

    @cached_property
    def digest(self) -> bytes:
        """The proposal's hash, which endorsers put into their answers."""
        return hashlib.sha256(self.channel_header + self.signature_header + self.payload).digest()

    @property
    def _chaincode_id(self) -> bytes:
        return text(2, self.chaincode)

    def to_json(self) -> JsonObject:
        """Returns what ``parse_invocation`` reads."""
        return {
            "channel": self.channel,
            "chaincode": self.chaincode,
            "args": [write_base64(each) for each in self.args],
            "seconds": self.seconds,
            "nonce": write_base64(self.nonce),
            "identity": self.identity.to_json(),
        }


@dataclass(frozen=True)
class Endorsement:
    """An endorser (``msp.SerializedIdentity``) and its signature over the response and itself."""

    endorser: bytes
    signature: bytes


@dataclass(frozen=True)
class Endorsed:
    """What endorsers answered: the bytes that all of them signed (``protos.ProposalResponsePayload``), and who did."""

    response: bytes
    endorsements: tuple[Endorsement, ...]

    def to_json(self) -> JsonObject:
        """Returns what ``parse_endorsed`` reads."""
        signed: list[JsonValue] = [
            {"endorser": write_base64(each.endorser), "signature": write_base64(each.signature)}
            for each in self.endorsements
        ]
        return {"response": write_base64(self.response), "endorsements": signed}


@dataclass(frozen=True)
class ClientGrant:
    """What a client's key may be used for: one channel, and chaincodes of it by name."""

    channel: str
    chaincodes: frozenset[str]

    def check_channel(self, channel: str) -> None:
        """Refuses another channel; raises ``Refused``."""
        if channel != self.channel:
            message = f"for channel {channel!r}, this key signs for {self.channel!r}"
            raise Refused(message)

    def check(self, channel: str, chaincode: str) -> None:
        """Refuses another channel or chaincode; raises ``Refused``."""
        self.check_channel(channel)
        if chaincode not in self.chaincodes:
            message = f"for chaincode {chaincode!r}, which is not on the allow-list"
            raise Refused(message)


def write_base64(value: bytes) -> str:
    """Returns bytes in canonical base64, which ``read_base64`` reads."""
    return base64.b64encode(value).decode()


def transaction_payload(invocation: Invocation, endorsed: Endorsed) -> bytes:
    """Returns the ``common.Payload`` of a transaction, which the client signs: header and arguments are its own."""
    signed = b"".join(item(2, data(1, each.endorser) + data(2, each.signature)) for each in endorsed.endorsements)
    action = data(1, endorsed.response) + signed
    content = data(1, invocation.payload) + item(2, action)
    transaction = item(1, data(1, invocation.signature_header) + data(2, content))
    return item(1, invocation.header) + data(2, transaction)


def envelope(payload: bytes, signature: bytes) -> bytes:
    """Returns a ``common.Envelope``."""
    return data(1, payload) + data(2, signature)


def parse_identity(value: JsonValue) -> Identity:
    """Reads an identity; raises ``Malformed``."""
    fields = read_object(value, _IDENTITY, "identity")
    certificate = read_text(fields["certificate"], "identity.certificate", _MAX_CERTIFICATE)
    return Identity(read_text(fields["msp"], "identity.msp"), certificate)


def parse_invocation(value: JsonValue) -> Invocation:
    """Reads what ``Invocation.to_json`` writes; raises ``Malformed``."""
    fields = read_object(value, _INVOCATION, "invocation")
    nonce = read_base64(fields["nonce"], "invocation.nonce")
    if len(nonce) != NONCE_BYTES:
        raise Malformed("invocation.nonce", f"expected {NONCE_BYTES} bytes")
    return Invocation(
        read_text(fields["channel"], "invocation.channel"),
        read_text(fields["chaincode"], "invocation.chaincode"),
        _args(fields["args"]),
        read_integer(fields["seconds"], "invocation.seconds", 0, MAX_INTEGER),
        nonce,
        parse_identity(fields["identity"]),
    )


def parse_endorsed(value: JsonValue) -> Endorsed:
    """Reads what ``Endorsed.to_json`` writes; raises ``Malformed``."""
    fields = read_object(value, _ENDORSED, "endorsed")
    response = read_base64(fields["response"], "endorsed.response")
    if not 1 <= len(response) <= MAX_ENDORSED_BYTES:
        raise Malformed("endorsed.response", f"expected 1 to {MAX_ENDORSED_BYTES} bytes")
    signed = read_list(fields["endorsements"], _endorsement, "endorsed.endorsements", MAX_ENDORSEMENTS)
    return Endorsed(response, signed)


def _args(value: JsonValue) -> tuple[bytes, ...]:
    field = "invocation.args"
    args = read_list(value, lambda each: read_base64(each, field), field, MAX_ARGUMENTS)
    if not args or sum(map(len, args)) > MAX_ARGUMENT_BYTES:
        raise Malformed(field, f"expected at least one, and at most {MAX_ARGUMENT_BYTES} bytes in all")
    return args


def _endorsement(value: JsonValue) -> Endorsement:
    fields = read_object(value, _ENDORSEMENT, "endorsement")
    endorser = read_base64(fields["endorser"], "endorsement.endorser")
    return Endorsement(endorser, read_base64(fields["signature"], "endorsement.signature"))
