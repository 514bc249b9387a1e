"""The vectors, read by the real code, and by a reader of a few lines that knows the specification alone."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import FabricError, Malformed
from fabric.trust.checkpoint import open_note
from registry.book.accounts import AccountLink, parse_link
from registry.book.book import Book
from registry.book.entry import decode_leaf, parse_entry
from registry.book.replay import replay
from registry.book.rules import check
from registry.log.paths import entry_tile
from registry.log.tree import decode_entries, root_of
from registry.records import decode_record, records
from tests.support import stranger, stranger_links

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
    assert decode_entries(bytes.fromhex(VECTORS["tiles"][entry_tile(0, len(LEAVES))])) == LEAVES


@pytest.mark.parametrize(
    "case", VECTORS["refused"], ids=[f"{at}-{x['rule']}" for at, x in enumerate(VECTORS["refused"])]
)
def test_what_the_rules_forbid_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(FabricError) as refused:
        check(_book(), parse_entry(case["entry"]))
    assert str(refused.value) == case["said"]


def test_every_kind_is_there() -> None:
    kinds = {decode_leaf(leaf).entry.kind for leaf in LEAVES}
    assert kinds == {"claim", "owners", "release", "change", "compromise", "rebuild", "link", "service"}


def test_a_stranger_reads_it_by_the_specification_alone() -> None:
    key = bytes.fromhex(VECTORS["keys"]["log"])
    origin, size, root = stranger.open_checkpoint(VECTORS["checkpoint"], key)
    hashes = [stranger.leaf_hash(leaf) for leaf in LEAVES]
    assert [item.hex() for item in hashes] == [item["hash"] for item in VECTORS["leaves"]]
    assert (origin, size, root) == ("registry.test/one", len(LEAVES), stranger.tree_hash(hashes))
    tiles = stranger.tiles_of(LEAVES)
    assert {path: data.hex() for path, data in tiles.items()} == VECTORS["tiles"]
    for index, leaf in enumerate(LEAVES):
        assert stranger.check_signatures(json.loads(leaf)["entry"])
        assert stranger.is_included(leaf, index, (size, root), tiles.__getitem__)
        assert not stranger.is_included(leaf + b" ", index, (size, root), tiles.__getitem__)
        assert not stranger.is_included(leaf, (index + 1) % size, (size, root), tiles.__getitem__)


@pytest.mark.parametrize("log", VECTORS["long_logs"], ids=lambda log: str(log["size"]))
def test_a_stranger_reads_long_logs(log: dict[str, Any]) -> None:
    leaves = [str(number).encode() for number in range(log["size"])]
    tiles, root = stranger.tiles_of(leaves), bytes.fromhex(log["root"])
    assert {path: hashlib.sha256(data).hexdigest() for path, data in tiles.items()} == log["tiles"]
    for index in {0, log["size"] // 2, log["size"] - 1}:
        assert stranger.is_included(leaves[index], index, (log["size"], root), tiles.__getitem__)


def test_a_stranger_finds_records_and_their_leaves() -> None:
    _, size, root = stranger.open_checkpoint(VECTORS["checkpoint"], bytes.fromhex(VECTORS["keys"]["log"]))
    read = stranger.tiles_of(LEAVES).__getitem__
    for path, text in VECTORS["records"].items():
        assert stranger.bin_of(path) == VECTORS["bins"][path]
        for item in json.loads(text).get("leaves", ()):
            leaf = json.dumps(item["leaf"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            assert stranger.is_included(leaf, item["position"], (size, root), read)


def _link(document: JsonObject) -> tuple[AccountLink | None, str]:
    try:
        return parse_link(document), ""
    except Malformed as error:
        return None, str(error)


@pytest.mark.parametrize("case", VECTORS["links"], ids=lambda case: case["case"])
def test_links_hold_or_not_for_us_and_for_a_stranger(case: dict[str, Any]) -> None:
    place, document = (case["registry"], case["namespace"]), case["document"]
    link, said = _link(document)
    if link is None:
        assert (case["message"], case["holds"], case["said"]) == (None, False, said)
    else:
        assert link.message(*place).hex() == case["message"] == stranger_links.message_of(document, *place).hex()
        assert link.is_signed(*place) is case["holds"]
    assert stranger_links.holds(document, *place) is case["holds"]
    assert bool(case["said"]) is not case["holds"]


def test_links_of_every_kind_hold_and_fail() -> None:
    told = {(case["case"].partition(":")[0], case["holds"]) for case in VECTORS["links"]}
    assert told == {(kind, holds) for kind in ("eip155", "cryptlet", "hlfabric") for holds in (True, False)}
    logged = [json.loads(leaf)["entry"]["statement"] for leaf in LEAVES]
    accounts = [each["body"]["document"]["account"] for each in logged if each["kind"] == "link"]
    assert {account.partition(":")[0] for account in accounts} == {"eip155", "cryptlet", "hlfabric"}


def test_every_rule_refuses_something() -> None:
    assert {case["rule"] for case in VECTORS["refused"]} == set(range(1, 10))


def test_records_hold_leaves_of_the_log() -> None:
    for path, text in VECTORS["records"].items():
        if not path.startswith("names/"):
            assert all(LEAVES[item.position] == item.leaf.encoded for item in decode_record(text.encode()))
        assert canonical.encode(canonical.decode(text.encode())) == text.encode()
