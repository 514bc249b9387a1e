"""Where a reader of blocks begins and ends (``orderer.SeekPosition``)."""

from adapters.hyperledger.proto import orderer_pb2


def start_of(position: orderer_pb2.SeekPosition, height: int) -> int:
    """Returns the number of the block that a position means on a ledger of so many blocks."""
    match position.WhichOneof("Type"):
        case "specified":
            return position.specified.number
        case "oldest":
            return 0
        case "newest":
            return height - 1
        case _:
            return height
