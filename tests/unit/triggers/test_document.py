"""A stored request reads back as what it was; any other bytes are malformed."""

from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, Digest, InvocationId
from fabric.ledger.port import Request
from fabric.triggers.document import read_request, write_request

WORD = st.binary(min_size=32, max_size=32)
NUMBER = st.integers(0, 2**64 - 1)
REQUESTS = st.builds(
    Request,
    index=NUMBER,
    invocation=WORD.map(InvocationId),
    requester=WORD.map(Account),
    nonce=NUMBER,
    method=WORD.map(Digest),
    input=WORD.map(Digest),
    binding=WORD.map(BindingVersion),
    state_version=NUMBER,
    time=NUMBER,
    locator=st.text(max_size=20),
)


@given(REQUESTS)
def test_a_request_comes_back(request: Request) -> None:
    assert read_request(write_request(request)) == request


@given(REQUESTS, st.data())
def test_any_change_gives_another_request_or_malformed(request: Request, data: st.DataObject) -> None:
    fields = canonical.decode_object(write_request(request))
    name = data.draw(st.sampled_from(sorted(fields)))
    fields[name] = data.draw(st.none() | st.booleans() | st.text(max_size=70) | st.just("01") | st.just("-1"))
    raw = canonical.encode(fields)
    try:
        assert write_request(read_request(raw)) == raw
    except Malformed:
        return


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_malformed(raw: bytes) -> None:
    try:
        read_request(raw)
    except Malformed:
        return
