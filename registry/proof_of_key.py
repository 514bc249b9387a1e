"""Proof of a key: an owner shows whose key he has before he is given the file of a release that waits, or ends it.

Who has the file before it is logged could publish it elsewhere first, and a measurement is logged once. The proof is
the value of the header ``Authorization``: ``Cryptlet-Key KEY:TIME:SIGNATURE`` (docs/spec/registry-api.md).
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final, Literal

from fabric.core import canonical
from fabric.core.errors import Unauthenticated
from fabric.core.ids import Digest
from fabric.trust.schemes import is_ed25519

SCHEME: Final = "Cryptlet-Key"
SECONDS: Final = 300
"""How far the clocks of the two may be apart."""
_FORMAT: Final = "cryptlet-fabric/proof-of-key/v1"
_VALUE: Final = re.compile(rf"{SCHEME} ([0-9a-f]{{64}}):(0|[1-9][0-9]{{0,11}}):([0-9a-f]{{128}})")


@dataclass(frozen=True)
class Asked:
    """What a proof is for.

    Attributes:
        origin: of the registry's log.
        pending: names what waits.
        act: what is to be done with it: its file read, or all of it forgotten.
    """

    origin: str
    pending: Digest
    act: Literal["forget", "read"] = "read"

    def statement(self, time: int) -> bytes:
        """Returns what is signed."""
        named = {"act": self.act, "pending": self.pending.hex(), "registry": self.origin}
        return canonical.encode({**named, "format": _FORMAT, "time": time})


def prove(asked: Asked, key: bytes, sign: Callable[[bytes], bytes], now: int) -> str:
    """Returns the header's value.

    Args:
        asked: what for.
        key: Ed25519 public key, 32 bytes.
        sign: signs with it.
        now: Unix seconds.
    """
    return f"{SCHEME} {key.hex()}:{now}:{sign(asked.statement(now)).hex()}"


def check(value: str, asked: Asked, keys: Container[bytes], now: int) -> None:
    """Holds a header's value against the keys that may ask for it.

    Raises:
        Unauthenticated: it has another form, is too old or from the future, is another key's, or is not signed.
    """
    found = _VALUE.fullmatch(value)
    if found is None:
        raise Unauthenticated(f"what waits is its owners' to see: expected Authorization: {SCHEME} KEY:TIME:SIGNATURE")
    key, time = bytes.fromhex(found[1]), int(found[2])
    if abs(now - time) > SECONDS:
        raise Unauthenticated(f"signed at {time}, and it is {now} here: set the clock, then do the same again")
    if key not in keys:
        raise Unauthenticated(f"the key {key.hex()} owns neither the namespace nor the registry")
    if not is_ed25519(key, bytes.fromhex(found[3]), asked.statement(time)):
        what = f"{asked.act} {asked.pending.hex()}"
        raise Unauthenticated(f"the key {key.hex()} did not sign at {time} to {what} in {asked.origin}")
