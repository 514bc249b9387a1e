"""The wire of Hyperledger: schemas with the names and numbers of the real protocols, written by ourselves.

The one thing that the client and the embedded ledger share.
"""
