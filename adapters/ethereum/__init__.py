"""Ethereum and every EVM ledger: client, destination (pure), devnet; the rules are in ``contracts``."""
