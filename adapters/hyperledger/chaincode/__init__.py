"""The rule set as chaincode, served as a process that peers dial (chaincode-as-a-service)."""
