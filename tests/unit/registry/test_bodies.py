"""Entries, leaves and bodies: what is written is read back, what is anything else is malformed and nothing worse."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import Measurement, sha256
from fabric.trust.publication import Publication
from fabric.trust.schemes import Signature
from fabric.trust.standing import State
from registry.book.bodies import (
    MAX_KEYS,
    Body,
    Change,
    Claim,
    Compromise,
    Issuer,
    Link,
    Owners,
    Rebuild,
    Release,
    Service,
    kind_of,
    read_body,
)
from registry.book.entry import MAX_ENTRY_BYTES, MAX_SIGNATURES, Entry, Leaf, decode_entry, decode_leaf, parse_entry
from registry.records import decode_index, decode_record
from tests.support.registries import ALICE, ORIGIN, owners

LAST: Final = 2**53 - 1
TEXTS: Final = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
WORDS: Final = st.binary(min_size=32, max_size=32)
TIMES: Final = st.integers(0, LAST)
SIGNATURES: Final = st.builds(Signature, st.just("ed25519"), WORDS, st.binary(min_size=64, max_size=64))
ISSUERS: Final = st.builds(Issuer, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))


@st.composite
def _owners(draw: st.DrawFn) -> Owners:
    keys = tuple(sorted(draw(st.sets(WORDS, max_size=MAX_KEYS))))
    threshold = draw(st.integers(min(1, len(keys)), len(keys)))
    return Owners(keys, threshold, tuple(draw(st.lists(ISSUERS, max_size=3))))


PUBLICATIONS: Final = st.builds(
    Publication,
    st.just("greeter"),
    st.just("1.0.0"),
    st.sampled_from(("utility", "contract")),
    WORDS.map(sha256),
    WORDS.map(sha256),
    SIGNATURES,
)
DOCUMENTS: Final = st.dictionaries(TEXTS, TEXTS | st.integers(-LAST, LAST) | st.booleans() | st.none(), max_size=3)
BODIES: Final[st.SearchStrategy[Body]] = st.one_of(
    _owners(),
    _owners().map(Claim),
    st.builds(
        Release, PUBLICATIONS, st.integers(1, 32 << 20), st.booleans(), st.dictionaries(TEXTS, TEXTS, max_size=3)
    ),
    st.builds(Change, WORDS.map(Measurement), st.sampled_from([s for s in State if s is not State.ACTIVE]), TEXTS),
    st.builds(Change, WORDS.map(Measurement), st.just(State.ACTIVE), st.just("")),
    st.builds(Compromise, WORDS, TIMES),
    st.builds(Rebuild, WORDS.map(Measurement)),
    st.builds(Link, DOCUMENTS),
    st.builds(Service, TEXTS, st.just("1.0.0"), DOCUMENTS),
)


@st.composite
def _entries(draw: st.DrawFn) -> Entry:
    signatures = draw(st.lists(SIGNATURES, max_size=3, unique_by=lambda item: item.key))
    return Entry(ORIGIN, "acme", draw(TIMES), draw(BODIES)).with_signatures(signatures)


@given(_entries(), TIMES)
def test_what_is_written_is_read_back(made: Entry, logged: int) -> None:
    assert read_body(made.kind, made.body.to_json()) == made.body
    assert decode_entry(canonical.encode(made.to_json())) == made
    assert decode_leaf(Leaf(made, logged).encoded) == Leaf(made, logged)
    assert decode_entry(canonical.encode(made.to_json())).digest == made.digest


@given(_entries(), st.data())
def test_any_other_bytes_are_another_entry_or_none(made: Entry, data: st.DataObject) -> None:
    """One byte of an entry is another: it reads as what it says, which is not what was signed, or does not read."""
    whole = canonical.encode(made.to_json())
    at = data.draw(st.integers(0, len(whole) - 1))
    spoiled = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    try:
        found = decode_entry(spoiled)
    except Malformed:
        return
    assert canonical.encode(found.to_json()) == spoiled
    assert (found == made) is (spoiled == whole)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-LAST, LAST) | st.text(max_size=8) | WORDS.map(bytes.hex),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS: Final = ("claim", "owners", "release", "change", "compromise", "rebuild", "link", "service")


@given(_entries(), st.sampled_from(KINDS), st.data())
def test_a_name_a_type_or_a_value_that_is_another_is_malformed(made: Entry, kind: str, data: st.DataObject) -> None:
    """Somewhere in the statement stands any JSON instead; or the body is one of another kind."""
    value: Any = made.to_json()
    place: Any = value["statement"]
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [item for item in (place.values() if isinstance(place, dict) else place) if item and _is_deep(item)]
        place = data.draw(st.sampled_from(inner)) if inner else place
    if isinstance(place, dict):
        name = data.draw(st.sampled_from(sorted(place)) | st.text(max_size=8))
        place[name] = data.draw(JSON)
    else:
        place.append(data.draw(JSON))
    value["statement"]["kind"] = data.draw(st.sampled_from((made.kind, kind)))
    try:
        found = parse_entry(value)
    except Malformed:
        return
    assert found.to_json() == json.loads(json.dumps(value))


def _is_deep(value: object) -> bool:
    return isinstance(value, dict | list)


@given(st.binary(max_size=300) | JSON.map(canonical.encode))
def test_anything_is_read_or_malformed(data: bytes) -> None:
    for read in (decode_entry, decode_leaf, decode_record, decode_index):
        with pytest.raises(Malformed):
            read(data)


A, B = sorted((b"\x01" * 32, b"\x02" * 32))
MALFORMED: Final[dict[str, tuple[str, Any, str]]] = {
    "keys in another order": ("owners", {"issuers": [], "keys": [B.hex(), A.hex()], "threshold": 1}, "ascending"),
    "a key twice": ("owners", {"issuers": [], "keys": [A.hex(), A.hex()], "threshold": 1}, "each key once"),
    "a short key": ("claim", {"issuers": [], "keys": ["ab"], "threshold": 1}, "expected 32 bytes"),
    "capitals": ("claim", {"issuers": [], "keys": [b"\xab".hex().upper() * 32], "threshold": 1}, "lower-case"),
    "no threshold": ("claim", {"issuers": [], "keys": [A.hex()], "threshold": 0}, "from 1 to 1"),
    "too high a threshold": ("claim", {"issuers": [], "keys": [A.hex()], "threshold": 2}, "from 1 to 1"),
    "a threshold of nobody": ("owners", {"issuers": [], "keys": [], "threshold": 1}, "from 0 to 0"),
    "17 keys": ("owners", {"issuers": [], "keys": [A.hex()] * 17, "threshold": 1}, "a list of at most 16"),
    "a threshold that is true": ("claim", {"issuers": [], "keys": [A.hex()], "threshold": True}, "an integer"),
    "active for a reason": ("change", {"measurement": A.hex(), "reason": "x", "state": "active"}, "empty for active"),
    "yanked for none": ("change", {"measurement": A.hex(), "reason": "", "state": "yanked"}, "1 to 200 characters"),
    "a long reason": ("change", {"measurement": A.hex(), "reason": "x" * 201, "state": "yanked"}, "1 to 200"),
    "a state that is none": ("change", {"measurement": A.hex(), "reason": "x", "state": "lost"}, "expected one of"),
    "a time before time": ("compromise", {"key": A.hex(), "since": -1}, "from 0 to"),
    "a time that is no integer": ("compromise", {"key": A.hex(), "since": 1.0}, "an integer"),
    "more than asked": ("rebuild", {"measurement": A.hex(), "more": 1}, r"unknown names \['more'\]"),
    "less than asked": ("rebuild", {}, r"missing names \['measurement'\]"),
    "a document that is none": ("link", {"document": []}, "expected an object"),
    "a kind that is none": ("rumour", {}, "expected one of claim, owners, release"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_each_bound_of_a_body_is_named(name: str) -> None:
    kind, value, said = MALFORMED[name]
    with pytest.raises(Malformed, match=said):
        read_body(kind, value)


def test_every_kind_has_its_body() -> None:
    bodies = (owners(ALICE), Claim(owners(ALICE)), Compromise(A, 1), Rebuild(Measurement(A)), Link({}))
    assert [kind_of(body) for body in bodies] == ["owners", "claim", "compromise", "rebuild", "link"]


def test_signatures_are_bounded_ordered_and_of_one_scheme() -> None:
    made = Entry(ORIGIN, "acme", 1, owners(ALICE))
    many = [Signature("ed25519", bytes([number]) * 32, bytes(64)) for number in range(MAX_SIGNATURES + 1)]
    assert len(parse_entry(made.with_signatures(many[:-1]).to_json()).signatures) == MAX_SIGNATURES
    with pytest.raises(Malformed, match="at most 32"):
        parse_entry(made.with_signatures(many).to_json())
    whole: Any = made.with_signatures(many[:2]).to_json()
    for signatures in (whole["signatures"][::-1], whole["signatures"][:1] * 2):
        with pytest.raises(Malformed, match="ascending order of their keys"):
            parse_entry({**whole, "signatures": signatures})
    other = Signature("secp256k1", bytes(33), bytes(64))
    with pytest.raises(Malformed):
        parse_entry(made.with_signatures([other]).to_json())


def test_an_entry_is_bounded() -> None:
    claims = {str(number): "x" * 1_000 for number in range(16)}
    issuers = tuple(Issuer(f"https://{number}", "all", claims) for number in range(4))
    made = Entry(ORIGIN, "acme", 1, Owners((ALICE.key.public,), 1, issuers))
    with pytest.raises(Malformed, match=f"at most {MAX_ENTRY_BYTES} bytes"):
        decode_entry(canonical.encode(made.to_json()))
