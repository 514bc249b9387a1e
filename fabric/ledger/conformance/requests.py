"""What the port promises of requests, as tests."""
# ruff: noqa: S101 - tests: they assert, count, and are named by what they show

from fabric.core.ids import request_id
from fabric.ledger.conformance.harness import Asked, Harness
from fabric.ledger.port import Request


class RequestSuite:
    """Final requests come once each, in the order of a counter without gaps."""

    async def test_a_ledger_without_requests_gives_an_empty_page(self, harness: Harness) -> None:
        """No requests are no error."""
        page = await harness.source.requests(b"", 10)
        assert page.requests == ()
        assert (await harness.source.requests(page.cursor, 10)).requests == ()

    async def test_requests_come_as_they_were_made(self, harness: Harness) -> None:
        """Every field comes as the contract stored it, and the id is the one that the fields give."""
        asked = [await harness.ask(f"input {number}") for number in range(3)]
        await harness.settle_down()
        page = await harness.source.requests(b"", 10)
        assert [request.index for request in page.requests] == [0, 1, 2]
        assert [_asked(request) for request in page.requests] == asked
        for request in page.requests:
            assert request.invocation == request_id(
                harness.ledger.destination.id,
                request.requester,
                request.nonce,
                request.method,
                request.input,
                request.binding,
            )
            assert request.time > 0
            assert request.locator

    async def test_a_cursor_goes_on_where_its_page_ended(self, harness: Harness) -> None:
        """Pages follow one another without gap or repetition."""
        for number in range(3):
            await harness.ask(f"input {number}")
        await harness.settle_down()
        first = await harness.source.requests(b"", 2)
        assert [request.index for request in first.requests] == [0, 1]
        second = await harness.source.requests(first.cursor, 2)
        assert [request.index for request in second.requests] == [2]
        await harness.ask("input 3")
        await harness.settle_down()
        third = await harness.source.requests(second.cursor, 2)
        assert [request.index for request in third.requests] == [3]

    async def test_the_same_cursor_gives_the_same_page_also_after_a_restart(self, harness: Harness) -> None:
        """A cursor is all that a restarted process needs."""
        await harness.ask("input")
        await harness.settle_down()
        empty = await harness.source.requests(b"", 10)
        await harness.reopen()
        again = await harness.source.requests(b"", 10)
        assert again.requests == empty.requests
        assert (await harness.source.requests(empty.cursor, 10)).requests == ()

    async def test_the_cursor_of_an_empty_page_misses_nothing(self, harness: Harness) -> None:
        """A cursor of before the first request is as good as the start."""
        page = await harness.source.requests(b"", 10)
        await harness.ask("late")
        await harness.settle_down()
        assert [request.index for request in (await harness.source.requests(page.cursor, 10)).requests] == [0]


def _asked(request: Request) -> Asked:
    return Asked(
        request.invocation,
        request.requester,
        request.nonce,
        request.method,
        request.input,
        request.binding,
        request.state_version,
    )
