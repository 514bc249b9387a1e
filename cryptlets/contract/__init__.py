"""Contract cryptlets: the logic of one contract instance whose state is on a ledger."""
