"""The messages of Hyperledger that a receipt is read from: the numbers of the fields that are looked at. Pure."""

from typing import Final

from adapters.hyperledger.protobuf import Schema

ENDORSER_TRANSACTION: Final = 3
"""The type of a channel header."""


def _set(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


CHANNEL_HEADER: Final = Schema("common.ChannelHeader", numbers=_set(1, 2, 6), data=_set(3, 4, 5, 7, 8))
"""1 type, 2 version, 3 timestamp, 4 channel id, 5 transaction id, 6 epoch, 7 extension, 8 hash of a TLS certificate."""
TIMESTAMP: Final = Schema("google.protobuf.Timestamp", numbers=_set(1, 2))
"""1 seconds, 2 nanoseconds."""
HEADER_EXTENSION: Final = Schema("protos.ChaincodeHeaderExtension", data=_set(2))
"""2 chaincode."""
CHAINCODE_ID: Final = Schema("protos.ChaincodeID", data=_set(1, 2, 3))
"""1 path, 2 name, 3 version."""
SIGNATURE_HEADER: Final = Schema("common.SignatureHeader", data=_set(1, 2))
"""1 creator, 2 nonce."""
PROPOSAL_PAYLOAD: Final = Schema("protos.ChaincodeProposalPayload", data=_set(1), lists=_set(2))
"""1 input, 2 transient fields."""
INVOCATION: Final = Schema("protos.ChaincodeInvocationSpec", data=_set(1))
"""1 chaincode spec."""
CHAINCODE_SPEC: Final = Schema("protos.ChaincodeSpec", numbers=_set(1, 4), data=_set(2, 3))
"""1 type, 2 chaincode, 3 input, 4 timeout."""
CHAINCODE_INPUT: Final = Schema("protos.ChaincodeInput", numbers=_set(3), lists=_set(1, 2))
"""1 arguments, 2 decorations, 3 whether it initialises."""
RESPONSE_PAYLOAD: Final = Schema("protos.ProposalResponsePayload", data=_set(1, 2))
"""1 proposal hash, 2 extension."""
ACTION: Final = Schema("protos.ChaincodeAction", data=_set(1, 2, 3, 4))
"""1 results, 2 events, 3 response, 4 chaincode."""
RESPONSE: Final = Schema("protos.Response", numbers=_set(1), data=_set(2, 3))
"""1 status, 2 message, 3 payload."""
READ_WRITE_SET: Final = Schema("rwset.TxReadWriteSet", numbers=_set(1), lists=_set(2))
"""1 data model, 2 namespaces."""
NAMESPACE: Final = Schema("rwset.NsReadWriteSet", data=_set(1, 2), lists=_set(3))
"""1 name, 2 reads and writes, 3 hashed collections."""
READS_AND_WRITES: Final = Schema("kvrwset.KVRWSet", lists=_set(1, 2, 3, 4))
"""1 reads, 2 range queries, 3 writes, 4 writes of metadata."""
READ: Final = Schema("kvrwset.KVRead", data=_set(1, 2))
"""1 key, 2 version."""
VERSION: Final = Schema("kvrwset.Version", numbers=_set(1, 2))
"""1 block, 2 transaction."""
IDENTITY: Final = Schema("msp.SerializedIdentity", data=_set(1, 2))
"""1 MSP id, 2 certificate in PEM."""
