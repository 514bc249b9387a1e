"""The rules as a chaincode: what runs at each organisation beside its peer, as a service."""
