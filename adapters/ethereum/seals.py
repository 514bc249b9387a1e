"""Seals of proof-of-authority blocks: who made a block, and whether more than half of the signers built on it. Pure.

Engine ``clique`` (EIP-225): the last 65 bytes of a header's extra data are its signer's signature over the hash of the
header without them. The signers are pinned in a policy, ascending; nothing inside a proof adds one. What these checks
show, and what not, is said in docs/spec/ethereum-receipt.md.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from eth_hash.auto import keccak

from adapters.ethereum.headers import FIELDS, BlockHeader, fail
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.trust.fields import read_hex, read_list
from fabric.trust.kind import Source, Status
from fabric.trust.schemes import ADDRESS_BYTES, recover_address

ENGINE: Final = "clique"
VANITY_BYTES: Final = 32
SEAL_BYTES: Final = 65
MAX_SIGNERS: Final = 64
IN_TURN, OUT_OF_TURN = 2, 1
_LONDON_FIELDS: Final = FIELDS + 1
_PARITIES: Final = (0, 1)
_PARITY_BASE: Final = 27
"""What the other schemes of this project add to the parity; a seal holds it bare."""


def limit(signers: int) -> int:
    """Returns of how many blocks in a row a signer may seal only one; so many blocks have more than half as signers."""
    return signers // 2 + 1


def trust_of(signers: Sequence[bytes]) -> JsonObject:
    """Returns what a policy says of a clique destination; ``parse_trust`` reads it back."""
    return {"engine": ENGINE, "signers": [signer.hex() for signer in sorted(signers)]}


def parse_trust(trust: JsonObject) -> tuple[bytes, ...]:
    """Returns the signers that a policy pins; none where it pins nothing.

    Raises:
        Malformed: the policy asks for what cannot be checked here; ignoring it would be a silent downgrade.
    """
    if not trust:
        return ()
    unknown = sorted(set(trust) - {"engine", "signers"})
    if unknown:
        raise Malformed("policy", f"ethereum knows no {', '.join(unknown)}")
    if trust.get("engine") != ENGINE:
        raise Malformed("policy", f"ethereum knows no engine {trust.get('engine')!r}, only {ENGINE!r}")
    signers = read_list(trust.get("signers"), _address, "policy.signers", MAX_SIGNERS)
    if not signers or any(one >= other for one, other in pairwise(signers)):
        raise Malformed("policy.signers", "expected one address or more, in ascending order")
    return signers


def judge(headers: Sequence[BlockHeader], signers: Sequence[bytes]) -> tuple[Status, Source]:
    """Returns how far a block got, by its seal and those of the headers that follow it.

    Args:
        headers: the block's own header, then the next ones without a gap.
        signers: who may seal, ascending.

    Raises:
        VerificationError: a header does not follow the one before, or its seal does not hold.
    """
    for before, after in pairwise(headers):
        if after.parent != before.hash or after.number != before.number + 1:
            fail(f"the header after block {before.number} does not follow it")
    sealers = [sealer(header) for header in headers]
    for header, signer in zip(headers, sealers, strict=True):
        _check_signer(header, signer, signers)
    _check_recency(headers, sealers, limit(len(signers)))
    if len(headers) > limit(len(signers)):
        return Status.FINAL, Source.PROVEN
    # Up to here fewer than half of the signers might have made all of it.
    return Status.INCLUDED, Source.ASSERTED


def sealer(header: BlockHeader) -> bytes:
    """Returns the address that sealed a header, 20 bytes; raises ``VerificationError`` where nobody can have."""
    extra = header.extra
    if len(header.fields) not in (FIELDS, _LONDON_FIELDS) or len(extra) < VANITY_BYTES + SEAL_BYTES:
        fail(f"block {header.number} carries no clique seal")
    seal = extra[-SEAL_BYTES:]
    signer = None
    if seal[-1] in _PARITIES:
        digest = keccak(header.unsealed(SEAL_BYTES))
        signer = recover_address(digest, seal[:-1] + bytes([seal[-1] + _PARITY_BASE]))
    if signer is None:
        fail(f"the seal of block {header.number} is no signature")
    return signer


def _check_signer(header: BlockHeader, signer: bytes, signers: Sequence[bytes]) -> None:
    if signer not in signers:
        fail(f"block {header.number} is sealed by 0x{signer.hex()}, who is not among the signers that the policy pins")
    turn = signers[header.number % len(signers)]
    expected = IN_TURN if signer == turn else OUT_OF_TURN
    if header.difficulty != expected:
        turns = f"the turns of the {len(signers)} pinned signers ask for {expected}"
        fail(f"block {header.number} has difficulty {header.difficulty}, {turns}")
    listed = header.extra[VANITY_BYTES:-SEAL_BYTES]
    if listed not in (b"", b"".join(signers)):
        fail(f"block {header.number} lists other signers than the policy pins")


def _check_recency(headers: Sequence[BlockHeader], sealers: Sequence[bytes], window: int) -> None:
    """Checks that within any window of blocks no signer sealed twice."""
    for at, signer in enumerate(sealers):
        if signer in sealers[max(0, at - window + 1) : at]:
            fail(f"0x{signer.hex()} sealed block {headers[at].number} too soon: one of {window} in a row is allowed")


def _address(value: JsonValue) -> bytes:
    return read_hex(value, "policy.signers", ADDRESS_BYTES)
