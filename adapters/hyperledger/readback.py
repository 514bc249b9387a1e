"""The read-back: an endorsed answer of ``read``, checked offline (docs/spec/hyperledger.md, check). Pure.

The steps are made in the order of ``STEPS``, and a refusal says at which one it stopped. What is not of its format at
all is ``Malformed``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from adapters.hyperledger import messages
from adapters.hyperledger.certificates import NOT_MADE
from adapters.hyperledger.endorsers import Endorser, Trust, read_endorser
from adapters.hyperledger.genesis import name_word
from adapters.hyperledger.names import MAX_ITEMS, READ, STATE_KEY
from adapters.hyperledger.policies import is_satisfied
from adapters.hyperledger.protobuf import Fields, read
from fabric.core import canonical
from fabric.core.canonical import MAX_INTEGER, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import DestinationId, parse_word, sha256
from fabric.trust.destination import Destination
from fabric.trust.fields import read_base64, read_hex, read_integer, read_list, read_object

STEPS: Final = ("header", "transaction", "call", "proposal", "answer", "reads", "signatures", "endorsers")
MAX_PART_BYTES: Final = 1 << 20
MAX_ENDORSEMENTS: Final = 64
_FIELD: Final = "read-back"
_NAMES: Final = frozenset({"channel_header", "signature_header", "payload", "response", "endorsements"})
_ENDORSEMENT: Final = frozenset({"endorser", "signature"})
_ANSWER: Final = frozenset({"destination", "time", "values"})
_OK: Final = 200


@dataclass(frozen=True)
class Endorsement:
    """A serialised identity and its signature."""

    endorser: bytes
    signature: bytes


@dataclass(frozen=True)
class ReadBack:
    """The parts, as they were hashed and signed."""

    channel_header: bytes
    signature_header: bytes
    payload: bytes
    response: bytes
    endorsements: tuple[Endorsement, ...]


@dataclass(frozen=True)
class Stored:
    """A value, and the place in the chain of the transaction that wrote it."""

    value: bytes
    block: int
    transaction: int


@dataclass(frozen=True)
class State:
    """What a read-back shows: its time in Unix seconds, and what each key held then, None where it held nothing."""

    time: int
    stored: dict[str, Stored | None]


@dataclass(frozen=True)
class _Header:
    channel: str
    transaction: str
    chaincode: str
    time: int


def parse(value: JsonValue) -> ReadBack:
    """Reads the object of a read-back; raises ``Malformed``."""
    fields = read_object(value, _NAMES, _FIELD)
    endorsements = read_list(fields["endorsements"], _endorsement, f"{_FIELD}.endorsements", MAX_ENDORSEMENTS)
    endorsers = [each.endorser for each in endorsements]
    if not endorsers or endorsers != sorted(set(endorsers)):
        raise Malformed(f"{_FIELD}.endorsements", "expected ascending endorsers, each once, at least one")
    header, signature_header, payload, response = (
        _part(fields[name], name) for name in ("channel_header", "signature_header", "payload", "response")
    )
    return ReadBack(header, signature_header, payload, response, endorsements)


def check(destination: Destination, parts: ReadBack, trust: Trust | None) -> State:
    """Checks a read-back of a deployment.

    Args:
        destination: the deployment.
        parts: what was read.
        trust: the roots of trust; without them consistency alone is checked.

    Raises:
        VerificationError: step ``settlement``; the reason names the step of ``STEPS``.
        Malformed: a part is not of its format.
    """
    header = _check_header(destination, parts, trust)
    _check_transaction(header, parts)
    keys = _check_call(header, parts)
    action = _check_proposal(parts)
    values = _check_answer(destination.id, header, action, len(keys))
    stored = _check_reads(header.chaincode, action, keys, values)
    endorsers = _check_signatures(parts)
    if trust:
        _check_endorsers(trust, endorsers, header.time)
    return State(header.time, stored)


def _check_header(destination: Destination, parts: ReadBack, trust: Trust | None) -> _Header:
    fields = read(messages.CHANNEL_HEADER, parts.channel_header)
    extension = read(messages.HEADER_EXTENSION, fields.raw(7))
    header = _Header(
        channel=fields.text(4),
        transaction=fields.text(5),
        chaincode=read(messages.CHAINCODE_ID, extension.raw(2)).text(2),
        time=read(messages.TIMESTAMP, fields.raw(3)).number(1),
    )
    if (fields.number(1), fields.number(6)) != (messages.ENDORSER_TRANSACTION, 0):
        _refuse(1, "no transaction of epoch 0")
    words = (name_word(header.channel), name_word(header.chaincode))
    if words != (destination.chain, destination.settlement):
        _refuse(1, f"of {header.chaincode[:80]!r} on {header.channel[:80]!r}, not of this destination")
    if trust and (trust.channel, trust.chaincode) != (header.channel, header.chaincode):
        _refuse(1, "the policy trusts another channel or chaincode")
    return header


def _check_transaction(header: _Header, parts: ReadBack) -> None:
    fields = read(messages.SIGNATURE_HEADER, parts.signature_header)
    creator, nonce = fields.raw(1), fields.raw(2)
    if not creator or not nonce or sha256(nonce, creator).hex() != header.transaction:
        _refuse(2, "the transaction id is not that of nonce and creator")


def _check_call(header: _Header, parts: ReadBack) -> list[str]:
    """Returns the keys that were asked for."""
    payload = read(messages.PROPOSAL_PAYLOAD, parts.payload)
    spec = read(messages.CHAINCODE_SPEC, read(messages.INVOCATION, payload.raw(1)).raw(1))
    if payload.items(2) or read(messages.CHAINCODE_ID, spec.raw(2)).text(2) != header.chaincode:
        _refuse(3, "transient fields, or a call of another chaincode")
    function, *arguments = read(messages.CHAINCODE_INPUT, spec.raw(3)).items(1) or [b""]
    keys = [each.decode("ascii", errors="replace") for each in arguments]
    if function != READ or not 1 <= len(set(keys)) == len(keys) <= MAX_ITEMS:
        _refuse(3, f"no call of {READ.decode()} with 1 to {MAX_ITEMS} different keys")
    if not all(STATE_KEY.fullmatch(key) for key in keys):
        _refuse(3, "a key of another spelling")
    return keys


def _check_proposal(parts: ReadBack) -> Fields:
    """Returns the action that was endorsed."""
    fields = read(messages.RESPONSE_PAYLOAD, parts.response)
    if fields.raw(1) != sha256(parts.channel_header, parts.signature_header, parts.payload):
        _refuse(4, "the answer is to another proposal")
    return read(messages.ACTION, fields.raw(2))


def _check_answer(destination: DestinationId, header: _Header, action: Fields, count: int) -> list[bytes | None]:
    """Returns the values, in the order of the keys."""
    response = read(messages.RESPONSE, action.raw(3))
    if read(messages.CHAINCODE_ID, action.raw(4)).text(2) != header.chaincode or response.number(1) != _OK:
        _refuse(5, "no answer of the chaincode with status 200")
    answer = read_object(canonical.decode(response.raw(3), max_bytes=MAX_PART_BYTES), _ANSWER, f"{_FIELD}.answer")
    if parse_word(answer["destination"], f"{_FIELD}.destination") != destination:
        _refuse(5, "the chaincode is of another destination")
    if read_integer(answer["time"], f"{_FIELD}.time", 0, MAX_INTEGER) != header.time:
        _refuse(5, "the answer is of another time than the proposal")
    values = read_list(answer["values"], _value, f"{_FIELD}.values", MAX_ITEMS)
    if len(values) != count:
        _refuse(5, f"{len(values)} values for {count} keys")
    return list(values)


def _check_reads(
    chaincode: str, action: Fields, keys: Sequence[str], values: Sequence[bytes | None]
) -> dict[str, Stored | None]:
    """Returns what is stored under each key, by the versions that the endorsers read."""
    versions = _versions(chaincode, action)
    stored: dict[str, Stored | None] = {}
    for key, value in zip(keys, values, strict=True):
        found = versions.get(key, [])
        if len(found) != 1 or (value is None) != (found[0] is None):
            _refuse(6, f"{key} was not read once, or its value and version do not belong together")
        stored[key] = None if value is None or found[0] is None else Stored(value, *found[0])
    return stored


def _versions(chaincode: str, action: Fields) -> dict[str, list[tuple[int, int] | None]]:
    """Returns the versions that were read in the chaincode's namespace, by key; refuses any write."""
    results = read(messages.READ_WRITE_SET, action.raw(1))
    namespaces = [read(messages.NAMESPACE, each) for each in results.items(2)]
    sets = [(each.text(1), read(messages.READS_AND_WRITES, each.raw(2))) for each in namespaces]
    if any(each.items(3) or each.items(4) for _, each in sets) or any(each.items(3) for each in namespaces):
        _refuse(6, "it writes")
    own = [each for name, each in sets if name == chaincode]
    if results.number(1) or len(own) != 1:
        _refuse(6, "the chaincode's reads are not there once")
    versions: dict[str, list[tuple[int, int] | None]] = {}
    for entry in own[0].items(1):
        one = read(messages.READ, entry)
        versions.setdefault(one.text(1), []).append(_version(one))
    return versions


def _version(entry: Fields) -> tuple[int, int] | None:
    if not entry.has(2):
        return None
    version = read(messages.VERSION, entry.raw(2))
    if max(version.number(1), version.number(2)) > MAX_INTEGER:
        raise Malformed(_FIELD, "a version beyond 2**53 - 1")
    return version.number(1), version.number(2)


def _check_signatures(parts: ReadBack) -> list[Endorser]:
    """Returns who endorsed, each with a key of its own."""
    endorsers = [read_endorser(each.endorser) for each in parts.endorsements]
    for each, endorser in zip(parts.endorsements, endorsers, strict=True):
        if not endorser.certificate.made(each.signature, parts.response + each.endorser):
            _refuse(7, f"{endorser.msp[:80]!r}: {NOT_MADE}")
    if len({each.certificate.public_key for each in endorsers}) != len(endorsers):
        _refuse(7, "two endorsements of one key")
    return endorsers


def _check_endorsers(trust: Trust, endorsers: Sequence[Endorser], time: int) -> None:
    for reason in (each.why_not(trust.msps, time) for each in endorsers):
        if reason is not None:
            _refuse(8, reason)
    if not is_satisfied(trust.policy, (each.who for each in endorsers)):
        _refuse(8, "the endorsers do not satisfy the policy")


def _endorsement(value: JsonValue) -> Endorsement:
    fields = read_object(value, _ENDORSEMENT, f"{_FIELD}.endorsements")
    return Endorsement(_part(fields["endorser"], "endorser"), _part(fields["signature"], "signature"))


def _part(value: JsonValue, name: str) -> bytes:
    data = read_base64(value, f"{_FIELD}.{name}")
    if len(data) > MAX_PART_BYTES:
        raise Malformed(f"{_FIELD}.{name}", f"at most {MAX_PART_BYTES} bytes")
    return data


def _value(value: JsonValue) -> bytes | None:
    return None if value is None else read_hex(value, f"{_FIELD}.values")


def _refuse(step: int, reason: str) -> NoReturn:
    raise VerificationError("settlement", f"read-back, step {step} {STEPS[step - 1]}: {reason}")
