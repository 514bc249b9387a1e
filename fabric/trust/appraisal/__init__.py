"""Appraisal of evidence: bytes to checked claims, one file a kind of evidence, a closed table of kinds. No IO."""
