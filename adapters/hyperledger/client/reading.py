"""Read-backs: what the endorsers say, under the policy, that the state holds (docs/spec/hyperledger.md).

Blocks hold invalid transactions too, and no signature covers the flags that say which; so an effect is believed only
when it is read back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.client.answers import Answer, UntrueAnswer, Version
from adapters.hyperledger.client.endorsing import Endorser
from adapters.hyperledger.names import GENESIS_KEY, MAX_ITEMS, READ
from fabric.core import canonical
from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.core.errors import ForeignLedger, Malformed
from fabric.core.ids import DestinationId, parse_word
from fabric.signers.proposals import Endorsed, write_base64
from fabric.trust.fields import read_hex, read_integer, read_object

_AT_ONCE: Final = 4
_MAX_ANSWER: Final = 8 << 20
_NAMES: Final = frozenset({"destination", "time", "values"})


@dataclass(frozen=True)
class Found:
    """A value, and the block and transaction that wrote it."""

    value: bytes
    version: Version

    @property
    def block(self) -> int:
        """Number of the block."""
        return self.version[0]


@dataclass(frozen=True)
class ReadBack:
    """An endorsed read of some keys.

    Attributes:
        time: its own time, Unix seconds.
        found: what each key holds, None where it holds nothing.
        material: what shows it offline.
    """

    time: int
    found: dict[str, Found | None]
    material: JsonObject


class Reader:
    """Reads the state of one deployment."""

    def __init__(self, endorser: Endorser, destination: DestinationId, seconds: float) -> None:
        """Takes who asks, the destination that the state must be of, and a deadline."""
        self._endorser = endorser
        self._destination = destination
        self._seconds = seconds
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def read(self, keys: Sequence[str]) -> ReadBack:
        """Returns what 1 to 64 different keys hold.

        Raises:
            UntrueAnswer: not what the policy's endorsers signed.
            ForeignLedger: the chaincode is of another destination.
            LedgerUnavailable: no answer.
        """
        async with self._free:
            answer = await self._endorser.endorse((READ, *(key.encode() for key in keys)), self._seconds)
        try:
            return _read(answer, keys, self._destination)
        except Malformed as error:
            message = f"the chaincode's answer: {error}"
            raise UntrueAnswer(message) from error

    async def read_many(self, keys: Sequence[str]) -> list[ReadBack]:
        """Returns read-backs of any number of keys, each once; raises as ``read``."""
        wanted = list(dict.fromkeys(keys))
        parts = [wanted[at : at + MAX_ITEMS] for at in range(0, len(wanted), MAX_ITEMS)]
        return list(await asyncio.gather(*(self.read(part) for part in parts)))

    async def value(self, key: str) -> bytes | None:
        """Returns what one key holds; raises as ``read``."""
        found = (await self.read([key])).found[key]
        return found.value if found else None


def _read(answer: Answer, keys: Sequence[str], destination: DestinationId) -> ReadBack:
    fields = read_object(canonical.decode(answer.payload, max_bytes=_MAX_ANSWER), _NAMES, "read")
    stated = parse_word(fields["destination"], "read.destination")
    if stated != destination:
        message = f"the chaincode is of destination {stated.hex()}, configured is {destination.hex()}"
        raise ForeignLedger(message)
    time = read_integer(fields["time"], "read.time", 0, MAX_INTEGER)
    if time != answer.invocation.seconds:
        raise Malformed("read.time", f"{time}, asked was at {answer.invocation.seconds}")
    # Whatever it is asked for, the chaincode reads its genesis document.
    if answer.writes or answer.event or answer.reads.keys() != {GENESIS_KEY, *keys}:
        raise Malformed("read", "it read other keys than were asked for, or wrote")
    values = fields["values"]
    if not isinstance(values, list) or len(values) != len(keys):
        raise Malformed("read.values", f"expected {len(keys)}")
    found = {key: _found(key, value, answer) for key, value in zip(keys, values, strict=True)}
    return ReadBack(time, found, _material(answer))


def _found(key: str, value: JsonValue, answer: Answer) -> Found | None:
    version = answer.reads[key]
    if (value is None) != (version is None):
        raise Malformed("read", f"{key} has a version without a value, or the reverse")
    return None if version is None else Found(read_hex(value, "read.values"), version)


def _material(answer: Answer) -> JsonObject:
    invocation = answer.invocation
    return {
        "channel_header": write_base64(invocation.channel_header),
        "signature_header": write_base64(invocation.signature_header),
        "payload": write_base64(invocation.payload),
        "response": write_base64(answer.endorsed.response),
        "endorsements": _endorsements(answer.endorsed),
    }


def _endorsements(endorsed: Endorsed) -> list[JsonValue]:
    """Returns the endorsements in ascending order of their endorsers, each once."""
    by_endorser = {each.endorser: each.signature for each in endorsed.endorsements}
    return [
        {"endorser": write_base64(endorser), "signature": write_base64(by_endorser[endorser])}
        for endorser in sorted(by_endorser)
    ]
