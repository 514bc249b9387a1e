"""What wakes cryptlets without a caller: a ledger's final event becomes an invocation."""
