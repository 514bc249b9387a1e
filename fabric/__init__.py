"""The platform: off-chain compute that anyone can check. It knows no ledger product."""

__version__ = "0.1.0"
