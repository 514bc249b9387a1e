"""Adapter of Hyperledger Fabric: the real Gateway protocol, our rules as chaincode, an embedded ledger."""
