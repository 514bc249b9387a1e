"""One package a ledger product, found by the platform through entry points only."""
