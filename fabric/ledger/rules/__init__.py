"""The one rule set of every ledger: enclave registry, settlement, consumption, requests (docs/spec/rules.md).

Pure Python over a key-value ``State``. The native ledger and our Hyperledger chaincode run this code; Solidity is the
only second implementation, and tests/vectors/rules.json holds the two equal.
"""
