"""Relay: carries messages between ledgers."""
