"""Merkle tree, checkpoint, record, batch, signature schemes, attestation result, policy, verifier.

No IO.
"""
