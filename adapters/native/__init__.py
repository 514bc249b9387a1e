"""The native ledger: an append-only log that runs the rule set, with signed checkpoints (docs/spec/native.md)."""
