"""Values only: ids, canonical JSON, clock, errors, plug-in lookup, backoff. No IO."""
