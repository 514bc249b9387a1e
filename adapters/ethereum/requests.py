"""Requests: final ``Requested`` events in the order of the contract's counter, with proof that none is missing.

The id is computed again and compared; all else is the reader's care (``adapters.ethereum.indexed``).
"""

from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from adapters.ethereum import abi, answers
from adapters.ethereum.indexed import IndexedEvents, Placed, Series
from adapters.ethereum.receipts import Receipts
from adapters.ethereum.rpc import Rpc
from adapters.ethereum.view import Watch
from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, DestinationId, Digest, InvocationId, request_id
from fabric.ledger.port import Request, RequestPage
from fabric.trust.destination import Destination

_SERIES: Final = Series("requests", (abi.REQUESTED,), abi.REQUEST_COUNT)


class Requests:
    """Reads the requests of one settlement deployment.

    Attributes:
        events: their events.
    """

    def __init__(self, rpc: Rpc, destination: Destination, watch: Watch, receipts: Receipts, start: int) -> None:
        """Takes the block from which the deployment can have events."""
        self._destination = destination.id
        self.events = IndexedEvents(rpc, destination, watch, receipts, start, _SERIES)

    async def page(self, cursor: bytes, limit: int) -> RequestPage:
        """Returns up to ``limit`` final requests after a cursor; see ``fabric.ledger.port.RequestSource``."""
        page = await self.events.page(cursor, limit)
        with answers.reading():
            return RequestPage(tuple(_request(self._destination, event) for event in page.events), page.cursor)


def _request(destination: DestinationId, event: Placed) -> Request:
    log = event.log
    try:
        nonce, method, input_digest, binding, version = decode(abi.REQUESTED_DATA, log.data)
    except (DecodingError, ValueError, OverflowError) as error:
        raise Malformed("Requested", f"data of another form: {error}") from error
    requester = Account(log.topics[3])
    asked = (Digest(method), Digest(input_digest), BindingVersion(binding))
    invocation = request_id(destination, requester, nonce, *asked)
    if invocation != log.topics[2]:
        raise Malformed("Requested", "the invocation id is not the one of its parts")
    fields = (event.index, InvocationId(invocation), requester, nonce, *asked, version)
    return Request(*fields, event.time, event.locator)
