"""Ids: formulas against hashlib, and hexadecimal words."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import ids
from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, DestinationId, Digest, FabricId, InvocationId

WORDS = st.binary(min_size=32, max_size=32)


def padded(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


@given(WORDS, WORDS, st.text(max_size=20))
def test_invocation(fabric: bytes, caller: bytes, key: str) -> None:
    inner = hashlib.sha256(key.encode()).digest()
    expected = hashlib.sha256(padded("cryptlet-fabric/invocation/v1") + fabric + caller + inner).digest()
    assert ids.invocation_id(FabricId(fabric), Account(caller), key) == expected


@given(WORDS, WORDS, st.integers(0, 2**64 - 1), WORDS, WORDS, WORDS)
def test_request(
    destination: bytes, requester: bytes, nonce: int, method: bytes, input_: bytes, binding: bytes
) -> None:
    words = (destination, requester, nonce.to_bytes(32, "big"), method, input_, binding)
    expected = hashlib.sha256(padded("cryptlet-fabric/request/v1") + b"".join(words)).digest()
    made = ids.request_id(
        DestinationId(destination),
        Account(requester),
        nonce,
        Digest(method),
        Digest(input_),
        BindingVersion(binding),
    )
    assert made == expected


@given(WORDS, WORDS)
def test_intent(invocation: bytes, destination: bytes) -> None:
    expected = hashlib.sha256(padded("cryptlet-fabric/intent/v1") + invocation + destination).digest()
    assert ids.intent_id(InvocationId(invocation), DestinationId(destination)) == expected


def test_names() -> None:
    assert ids.method_word("judge") == hashlib.sha256(b"judge").digest()
    assert ids.caller_account("acme") == hashlib.sha256(b"cryptlet-fabric/caller/v1\0acme").digest()
    assert ids.sha256(b"a", b"bc") == hashlib.sha256(b"abc").digest()


def test_tag() -> None:
    assert ids.tag("abc") == b"abc" + bytes(29)
    assert ids.tag("x" * 32) == b"x" * 32


@pytest.mark.parametrize("text", ["", "x" * 33, "\u00e9"])
def test_bad_tags_are_mistakes(text: str) -> None:
    with pytest.raises(ValueError, match=r"tag|ascii"):
        ids.tag(text)


@given(WORDS)
def test_words_in_json(word: bytes) -> None:
    assert ids.parse_word(word.hex(), "field") == word


@pytest.mark.parametrize(
    "text",
    [
        None,
        1,
        b"00" * 32,
        "00" * 31,
        "00" * 33,
        "0X" * 32,
        "AB" * 32,
        "0x" + "00" * 31,
        " " + "00" * 32,
        "00" * 32 + "\n",
    ],
)
def test_other_spellings_of_a_word_are_malformed(text: object) -> None:
    with pytest.raises(Malformed, match="field"):
        ids.parse_word(text, "field")
