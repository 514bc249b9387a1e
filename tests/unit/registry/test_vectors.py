"""The vectors, read by the real code, and by a reader of a few lines that knows the specification alone."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fabric.core import canonical
from fabric.core.errors import FabricError
from fabric.trust.checkpoint import open_note
from registry.book.book import Book
from registry.book.entry import decode_leaf, parse_entry
from registry.book.replay import replay
from registry.book.rules import check
from registry.log.tree import decode_entries, root_of
from registry.records import decode_record, records

VECTORS: Final[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors/registry.json").read_text())
LEAVES: Final = [item["leaf"].encode() for item in VECTORS["leaves"]]


def _book() -> Book:
    return replay("registry.test/one", [decode_leaf(leaf) for leaf in LEAVES])


def test_the_log_gives_the_states_and_the_owners() -> None:
    book = _book()
    states = {name.hex(): [turn.state.value for turn in item.turns] for name, item in book.listings.items()}
    assert states == VECTORS["states"]
    assert {name: item.owners.to_json() for name, item in book.holdings.items()} == VECTORS["owners"]
    assert {path: data.decode() for path, data in records(book, LEAVES).items()} == VECTORS["records"]


def test_tiles_and_checkpoint_are_those_of_the_leaves() -> None:
    key = bytes.fromhex(VECTORS["keys"]["log"])
    assert open_note(VECTORS["checkpoint"], key).root == root_of(LEAVES)
    assert decode_entries(bytes.fromhex(VECTORS["entry_tile"])) == LEAVES


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: f"rule {case['rule']}: {case['said'][:40]}")
def test_what_the_rules_forbid_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(FabricError) as refused:
        check(_book(), parse_entry(case["entry"]))
    assert str(refused.value) == case["said"]


def test_every_kind_is_there() -> None:
    kinds = {decode_leaf(leaf).entry.kind for leaf in LEAVES}
    assert kinds == {"claim", "owners", "release", "change", "compromise", "rebuild", "link", "service"}


def _hash(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + _hash(leaves[:split]) + _hash(leaves[split:])).digest()


def test_a_stranger_reads_it_by_the_specification_alone() -> None:
    assert [hashlib.sha256(b"\0" + leaf).hexdigest() for leaf in LEAVES] == [item["hash"] for item in VECTORS["leaves"]]
    text, _, tail = VECTORS["checkpoint"].partition("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, int(size), base64.b64decode(root)) == ("registry.test/one", len(LEAVES), _hash(LEAVES))
    blob = base64.b64decode(tail.split(" ")[2])
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(VECTORS["keys"]["log"])).verify(blob[4:], f"{text}\n".encode())
    assert bytes.fromhex(VECTORS["hash_tile"]) == b"".join(_hash([leaf]) for leaf in LEAVES)
    tile = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in LEAVES)
    assert bytes.fromhex(VECTORS["entry_tile"]) == tile
    for leaf in LEAVES:
        whole = json.loads(leaf)
        statement = whole["entry"]["statement"]
        signed = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        for item in whole["entry"]["signatures"]:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(item["key"]))
            key.verify(bytes.fromhex(item["signature"]), signed)


def test_records_hold_leaves_of_the_log() -> None:
    for path, text in VECTORS["records"].items():
        if not path.startswith("names/"):
            assert all(LEAVES[item.position] == item.leaf.encoded for item in decode_record(text.encode()))
        assert canonical.encode(canonical.decode(text.encode())) == text.encode()
