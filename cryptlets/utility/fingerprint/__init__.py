"""Fingerprint: the canonical digest of a JSON document."""
