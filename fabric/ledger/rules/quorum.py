"""Who signed: one check for an enclave's signature, and one for the appraisers' quorum."""

from collections.abc import Callable, Sequence

from fabric.ledger.rules.entries import signing_key
from fabric.ledger.rules.state import Genesis
from fabric.ledger.rules.violations import Code, RuleViolation
from fabric.trust.schemes import EIP712, Signature, is_valid, recover_address


def signer_of(genesis: Genesis, signature: Signature, message: bytes, digest: Callable[[], bytes]) -> bytes:
    """Returns the key that made a signature.

    Under EIP-712 it is recovered from the signature, as a contract does, and the claimed key is not looked at; so a
    signature of something else is one of an unknown signer. Ed25519 checks against the claimed key.

    Args:
        genesis: decides the scheme.
        signature: what to check.
        message: the encoded structure.
        digest: gives the EIP-712 digest.

    Raises:
        RuleViolation: ``BadSignature``.
    """
    if signature.scheme != genesis.scheme:
        reason = f"expected scheme {genesis.scheme}, got {signature.scheme}"
        raise RuleViolation(Code.BAD_SIGNATURE, reason)
    if genesis.scheme == EIP712:
        signer = recover_address(digest(), signature.value)
        if signer is None:
            raise RuleViolation(Code.BAD_SIGNATURE, "no key can have made it")
        return signer
    if not is_valid(signature, message, digest):
        raise RuleViolation(Code.BAD_SIGNATURE, f"not of key {signature.key.hex()}")
    return signature.key


def check_quorum(
    genesis: Genesis, signatures: Sequence[Signature], message: bytes, digest: Callable[[], bytes]
) -> None:
    """Checks that enough pinned appraisers signed; signatures of strangers are passed over.

    Raises:
        RuleViolation: ``BadSignature``, ``BadOrder``, ``QuorumMissing``, at the first signature that shows it.
    """
    pinned = {signing_key(keys, genesis.scheme) for keys in genesis.appraisers}
    last, count = b"", 0
    for signature in signatures:
        signer = signer_of(genesis, signature, message, digest)
        if signer <= last:
            reason = f"signer {signer.hex()} after {last.hex()}"
            raise RuleViolation(Code.BAD_ORDER, reason)
        last = signer
        count += signer in pinned
    if count < genesis.threshold:
        reason = f"{count} appraisers signed, {genesis.threshold} are needed"
        raise RuleViolation(Code.QUORUM_MISSING, reason)
