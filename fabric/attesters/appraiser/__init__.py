"""The appraiser: a process of its own that judges evidence under a policy and signs attestation results."""
