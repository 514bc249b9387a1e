"""The proof file: one spelling, no free byte, and any other bytes are refused."""

import base64
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.trust.proof import MAX_BYTES, MAX_SIGNATURES, Attestation, Proof, parse_attestation
from fabric.trust.verifier import Verified, verify
from tests.support.proofs import APPRAISERS, NATIVE, STRANGER, USUAL, Recipe, by_appraisers, kinds, policy

FILES: Final = {kind: recipe.make().encode() for kind, recipe in USUAL.items()}
POLICY: Final = policy()
Change = Callable[[dict[str, Any]], None]


def refused(data: bytes) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        verify(data, POLICY, kinds)
    return caught.value


def changed(change: Change, kind: str = "native") -> bytes:
    value: Any = canonical.decode(FILES[kind], max_depth=40)
    change(value)
    return canonical.encode(value, max_depth=40)


def put(path: str, value: object) -> Change:
    """Sets a member by its dotted path."""

    def change(whole: dict[str, Any]) -> None:
        *outer, last = path.split(".")
        for name in outer:
            whole = whole[int(name)] if name.isdigit() else whole[name]  # type: ignore[index]
        whole[last] = value

    return change


@pytest.mark.parametrize("kind", USUAL)
def test_a_file_is_read_back(kind: str) -> None:
    proof = Proof.parse(FILES[kind])
    assert proof == USUAL[kind].make()
    assert proof.encode() == FILES[kind]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "flip"), [("native", 1), ("ethereum", 1), ("native", 0x20)])
def test_no_byte_is_free(kind: str, flip: int) -> None:
    """Every position: whatever bit is flipped there, the file is refused."""
    data = FILES[kind]
    verify(data, POLICY, kinds)
    free = [at for at in range(len(data)) if _passes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])]
    assert free == []


def _passes(data: bytes) -> bool:
    try:
        verify(data, POLICY, kinds)
    except VerificationError:
        return False
    return True


@given(st.data())
def test_no_edit_is_accepted(data: st.DataObject) -> None:
    whole = FILES[data.draw(st.sampled_from(sorted(FILES)))]
    start = data.draw(st.integers(0, len(whole)))
    end = min(len(whole), start + data.draw(st.integers(0, 80)))
    edited = whole[:start] + data.draw(st.binary(max_size=80)) + whole[end:]
    if edited != whole:
        refused(edited)


@given(st.data())
def test_no_changed_value_is_accepted(data: st.DataObject) -> None:
    """The file stays canonical JSON of the same form: one scalar in it is another."""
    kind = data.draw(st.sampled_from(sorted(FILES)))
    value: Any = canonical.decode(FILES[kind])
    node, path = value, []
    while isinstance(node, dict | list) and node:
        path.append(data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else list(range(len(node))))))
        node = node[path[-1]]
    other = data.draw(scalars)
    parent = value
    for name in path[:-1]:
        parent = parent[name]
    # In Python True == 1; in JSON they are two values.
    if (type(other), other) != (type(node), node):
        parent[path[-1]] = other
        refused(canonical.encode(value))


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
    | st.binary(max_size=70).map(bytes.hex)
    | st.sampled_from([{}, [], "ed25519", "native", "00" * 32, "json"])
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(sorted(canonical.decode_object(FILES["native"]))) | st.text(max_size=5), inner
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=200) | values.map(lambda one: canonical.encode(one) if _is_json(one) else b""))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    assert refused(data).step == "format"


@given(st.dictionaries(st.sampled_from(sorted(canonical.decode_object(FILES["native"]))), values, max_size=4))
def test_any_members_give_a_verdict(members: dict[str, Any]) -> None:
    whole = canonical.decode_object(FILES["native"]) | members
    if not _is_json(whole):
        return
    try:
        verdict = verify(canonical.encode(whole), POLICY, kinds)
    except VerificationError:
        return
    assert isinstance(verdict, Verified)
    assert canonical.encode(whole) == FILES["native"]


def _is_json(value: JsonValue) -> bool:
    try:
        canonical.encode(value)
    except Malformed:
        return False
    return True


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b" " + FILES["native"],
        FILES["native"] + b"\n",
        FILES["native"].replace(b",", b", ", 1),
        b" " * (MAX_BYTES + 1),
        FILES["native"].replace(b'"receipt":', b'"receipt":null,"receipt":', 1),
    ],
    ids=[
        *("empty", "object", "list", "null", "no-utf-8", "deep-lists", "deep-objects"),
        *("space-before", "line-after", "space-within", "too-long", "name-twice"),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    assert refused(data).step == "format"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", "cryptlet-fabric/proof/v2"),
        ("more", 1),
        ("statement", []),
        ("receipt", []),
        ("receipt", "none"),
        ("record", "00"),
        ("record", "ZZ"),
        ("batch.more", 1),
        ("batch.header", "00" * 160),
        ("batch.index", -1),
        ("batch.index", 1.5),
        ("batch.index", True),
        ("batch.path", ["00"]),
        ("batch.path", ["00" * 32] * 65),
        ("batch.signatures", {}),
        ("attestation.signatures.0.scheme", "rsa"),
        ("attestation.result", "00" * 352),
        ("input", {"json": 1, "base64": ""}),
        ("input", {"text": ""}),
        ("input", {"base64": "AA="}),
        ("input", {"base64": "AB=="}),
        ("input", {"base64": base64.b64encode(b'{"file":"shipment.csv"}').decode()}),
        ("payload", "0"),
        ("payload", "AA"),
        ("destination.kind", "corda"),
        ("destination.chain", "00"),
        ("binding.format", "other"),
        ("publication.statement.kind", "library"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_other_forms_are_refused(path: str, value: object) -> None:
    assert refused(changed(put(path, value))).step == "format"


DISORDERS: Final[dict[str, Change]] = {
    "no payload": lambda whole: whole.pop("payload"),
    "header signatures descend": lambda whole: whole["batch"]["signatures"].reverse(),
    "header signature twice": lambda whole: whole["batch"]["signatures"].append(whole["batch"]["signatures"][-1]),
    "appraisers descend": lambda whole: whole["attestation"]["signatures"].reverse(),
    "destinations descend": lambda whole: whole["attestation"]["destinations"].reverse(),
    "destination of 33 bytes": lambda whole: whole["attestation"]["destinations"].append("ff" * 33),
}


@pytest.mark.parametrize("name", DISORDERS)
def test_another_order_is_refused(name: str) -> None:
    assert refused(changed(DISORDERS[name])).step == "format"


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"1", b'"not JSON"', b"{ }", b"\xff\0", b'{"a":1}', b'{"b":1,"a":1}', b"1.0", b"[" * 40, b"null"],
)
def test_an_input_has_one_spelling(data: bytes) -> None:
    proof = Recipe(input=data).make()
    file = proof.encode()
    assert Proof.parse(file).input == data
    verify(file, POLICY, kinds)
    spelled: Any = canonical.decode(file, max_depth=40)
    form = "json" if _is_canonical(data) else "base64"
    assert set(spelled["input"]) == {form}


def _is_canonical(data: bytes) -> bool:
    try:
        canonical.decode(data)
    except Malformed:
        return False
    return True


def test_the_deepest_input_and_output_can_be_proven() -> None:
    deep = b"[" * canonical.MAX_DEPTH + b"]" * canonical.MAX_DEPTH
    recipe = Recipe(input=deep, output=canonical.decode(deep))
    assert verify(recipe.make().encode(), POLICY, kinds).proof.input == deep
    deeper = changed(put("output", [canonical.decode(deep)]))
    assert refused(deeper).step == "statement"


def test_further_signatures_of_appraisers_must_hold() -> None:
    """Who trusts some appraisers takes a proof that others signed as well; none of its bytes is dead weight."""
    verify(Recipe(appraise=by_appraisers(*APPRAISERS, STRANGER)).make().encode(), POLICY, kinds)
    attestation = Recipe(appraise=by_appraisers(*APPRAISERS)).make().attestation
    value: Any = attestation.to_json()
    assert parse_attestation(value) == attestation
    value["signatures"] *= MAX_SIGNATURES
    with pytest.raises(Malformed, match="at most 64"):
        parse_attestation(value)


def test_an_attestation_is_read_back() -> None:
    attestation = Recipe().make().attestation
    assert parse_attestation(attestation.to_json()) == attestation
    assert isinstance(attestation, Attestation)
    assert NATIVE.id in attestation.destinations
