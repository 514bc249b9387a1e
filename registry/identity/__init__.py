"""Who publishes: tokens of trusted issuers, and keys that ledger accounts vouch for."""
