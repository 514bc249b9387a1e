"""Seals offline: what more than half of the pinned signers built on is proven; every other chain of headers is not."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum import headers
from adapters.ethereum.anchorage import Material, prove_event
from adapters.ethereum.destination import SETTLED, Ethereum
from adapters.ethereum.headers import BlockHeader
from adapters.ethereum.mpt import Trie, index_key
from adapters.ethereum.seals import IN_TURN, OUT_OF_TURN, judge, limit, parse_trust, sealer, trust_of
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import sha256
from fabric.trust.batch import Header
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.kind import Source, Status
from tests.support.seals import KEYS, NUMBER, SIGNERS, THREE, TIME, WORD, Block, addresses, by, chain, seal

VECTOR: Final = Path(__file__).parents[2] / "vectors" / "clique_receipt.json"
SETTLEMENT: Final = WORD[:20]
DESTINATION: Final = Destination("ethereum", WORD, WORD, SETTLEMENT.rjust(32, b"\0"), WORD)
HEADER: Final = Header(DESTINATION.id, 1, 3, sha256(b"root"))
PROVEN: Final = (Status.FINAL, Source.PROVEN)
INCLUDED: Final = (Status.INCLUDED, Source.ASSERTED)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((0, 1, 2), PROVEN),
        ((0, 1, 2, 0, 1), PROVEN),
        ((1, 2, 1), PROVEN),
        ((2, 0, 2, 0), PROVEN),
        ((0, 1), INCLUDED),
        ((0,), INCLUDED),
    ],
)
def test_what_seals_show(order: tuple[int, ...], expected: tuple[Status, Source]) -> None:
    assert judge(chain(by(*order)), SIGNERS) == expected


@pytest.mark.parametrize(("count", "window"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_of_how_many_blocks_a_signer_may_seal_one(count: int, window: int) -> None:
    assert limit(count) == window > count / 2


def test_more_signers_need_more_blocks() -> None:
    for following, expected in ((2, INCLUDED), (3, PROVEN)):
        read = chain(by(*range(1 + following)), signers=KEYS)
        assert judge(read, addresses(KEYS)) == expected


def test_one_signer_seals_every_block() -> None:
    assert judge(chain(by(0, 0), signers=KEYS[:1]), SIGNERS[:1]) == PROVEN
    assert judge(chain(by(0), signers=KEYS[:1]), SIGNERS[:1]) == INCLUDED


def test_a_checkpoint_that_lists_the_pinned_signers_is_none_the_worse() -> None:
    listed = Block(KEYS[1], listed=b"".join(SIGNERS))
    assert judge(chain([*by(0), listed, *by(2)]), SIGNERS) == PROVEN


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        (by(0, 4, 2), "block 301 is sealed by 0x.* not among the signers"),
        (by(3, 1, 2), "block 300 is sealed by 0x.* not among the signers"),
        (by(0, 1, 2, 4), "block 303 is sealed by 0x.* not among the signers"),
        (by(0, 0, 1), "sealed block 301 too soon: one of 2 in a row"),
        (by(0, 1, 2, 2), "sealed block 303 too soon"),
        ([*by(0), Block(KEYS[1], difficulty=OUT_OF_TURN), *by(2)], "block 301 has difficulty 1, .* ask for 2"),
        ([Block(KEYS[1], difficulty=IN_TURN), *by(2, 0)], "block 300 has difficulty 2, .* ask for 1"),
        ([*by(0), Block(KEYS[1], difficulty=3), *by(2)], "block 301 has difficulty 3"),
        ([*by(0), Block(KEYS[1], difficulty=0), *by(2)], "block 301 has difficulty 0"),
        ([*by(0), Block(KEYS[1], listed=b"".join(addresses(KEYS[:4]))), *by(2)], "block 301 lists other signers"),
        ([*by(0), Block(KEYS[1], listed=b"\0"), *by(2)], "block 301 lists other signers"),
        ([*by(0), Block(KEYS[1], more=(WORD,)), *by(2)], "block 301 carries no clique seal"),
        ([*by(0), Block(KEYS[1], parity=27), *by(2)], "seal of block 301 is no signature"),
        ([*by(0), Block(KEYS[1], parity=2), *by(2)], "seal of block 301 is no signature"),
    ],
    ids=[
        *("stranger", "stranger-first", "stranger-last", "twice", "twice-late"),
        *("out-for-in", "in-for-out", "three", "zero", "voted-in", "list", "later-fork", "ethereum-parity", "parity"),
    ],
)
def test_a_seal_that_does_not_hold_is_refused(blocks: list[Block], reason: str) -> None:
    with pytest.raises(VerificationError, match=reason) as caught:
        judge(chain(blocks), SIGNERS)
    assert caught.value.step == "settlement"


@pytest.mark.parametrize(
    "broken",
    [
        lambda made: [made[0], made[2]],
        lambda made: [made[0], made[2], made[1]],
        lambda made: [made[0], made[1], made[1]],
        lambda made: [made[0], *chain(by(1, 2, 0))[1:]],
        lambda made: [made[0], seal(Block(KEYS[1]), made[0].hash, NUMBER + 2, WORD, THREE)],
    ],
    ids=["gap", "order", "twice", "other", "number"],
)
def test_headers_that_do_not_follow_one_another_are_refused(
    broken: Callable[[list[BlockHeader]], list[BlockHeader]],
) -> None:
    with pytest.raises(VerificationError, match="does not follow it"):
        judge(broken(chain(by(0, 1, 2))), SIGNERS)


@pytest.mark.parametrize("extra", [b"", bytes(32), bytes(96), bytes(97)], ids=["empty", "vanity", "short", "zero"])
def test_a_block_without_a_seal_is_refused(extra: bytes) -> None:
    fields = [*chain(by(0))[0].fields]
    fields[12] = extra
    with pytest.raises(VerificationError, match=r"carries no clique seal|is no signature"):
        sealer(headers.read(rlp.encode(fields)))


def test_the_upper_half_of_a_signature_is_refused() -> None:
    made = chain(by(0))[0]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    upper = order - int.from_bytes(made.extra[-33:-1], "big")
    fields = [*made.fields]
    fields[12] = made.extra[:-33] + upper.to_bytes(32, "big") + bytes([1 - made.extra[-1]])
    with pytest.raises(VerificationError, match="no signature"):
        sealer(headers.read(rlp.encode(fields)))


def test_trust_is_read_back() -> None:
    assert parse_trust(trust_of(SIGNERS[::-1])) == SIGNERS
    assert parse_trust({}) == ()


@pytest.mark.parametrize(
    ("trust", "reason"),
    [
        ({"engine": "qbft", "signers": []}, "engine 'qbft'"),
        ({"signers": [SIGNERS[0].hex()]}, "engine None"),
        ({"engine": "clique"}, "signers"),
        ({"engine": "clique", "signers": []}, "one address or more"),
        ({"engine": "clique", "signers": [SIGNERS[1].hex(), SIGNERS[0].hex()]}, "ascending"),
        ({"engine": "clique", "signers": [SIGNERS[0].hex()] * 2}, "ascending"),
        ({"engine": "clique", "signers": ["0x" + SIGNERS[0].hex()]}, "signers"),
        ({"engine": "clique", "signers": [SIGNERS[0].hex()[2:]]}, "signers"),
        ({"engine": "clique", "signers": {}}, "signers"),
        ({"engine": "clique", "signers": [None]}, "signers"),
        ({"engine": "clique", "signers": ["00" * 20] * 65}, "at most 64"),
        (trust_of(SIGNERS) | {"depth": 3}, "knows no depth"),
    ],
    ids=[
        *("engine", "no-engine", "no-signers", "nobody", "order", "twice"),
        *("prefix", "short", "object", "null", "many", "more"),
    ],
)
def test_a_root_of_trust_that_cannot_be_used_is_malformed(trust: JsonObject, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        parse_trust(trust)


def material(order: Sequence[int] = (0, 1, 2)) -> JsonObject:
    """Returns material of a settlement in the first block."""
    log = [SETTLEMENT, [SETTLED, HEADER.batch_id, WORD], bytes(64)]
    receipt = b"\2" + rlp.encode([b"\1", b"\x52\x08", bytes(256), [log]])
    trie = Trie({index_key(0): receipt})
    first, *rest = chain(by(*order), trie.root)
    proof = tuple(trie.proof(index_key(0)))
    return Material(first.hash, NUMBER, first.encoded, 0, proof, 0, tuple(each.encoded for each in rest)).to_json()


def test_a_receipt_is_final_and_proven_by_its_seals() -> None:
    trust = trust_of(SIGNERS)
    shown = Ethereum().check_receipt(DESTINATION, HEADER, material(), trust)
    assert (shown.status, shown.source, shown.time, shown.position) == (*PROVEN, TIME, NUMBER)
    for order in ((0,), (0, 1)):
        shown = Ethereum().check_receipt(DESTINATION, HEADER, material(order), trust)
        assert (shown.status, shown.source) == INCLUDED


def test_any_event_of_the_contract_is_shown_with_its_own_topics() -> None:
    shown = prove_event(DESTINATION, material(), trust_of(SIGNERS))
    assert (shown.status, shown.source) == PROVEN
    assert shown.event.log.topics == (SETTLED, HEADER.batch_id, WORD)
    elsewhere = replace(DESTINATION, settlement=WORD)
    with pytest.raises(VerificationError, match="another contract"):
        prove_event(elsewhere, material(), trust_of(SIGNERS))


def test_seals_count_for_nothing_where_nobody_pins_the_signers() -> None:
    with pytest.raises(VerificationError, match="no policy pins the signers"):
        Ethereum().check_receipt(DESTINATION, HEADER, material(), {})
    shown = Ethereum().check_receipt(DESTINATION, HEADER, material((0,)), {})
    assert (shown.status, shown.source) == INCLUDED


def test_a_policy_of_other_signers_refuses() -> None:
    with pytest.raises(VerificationError, match="not among the signers that the policy pins"):
        Ethereum().check_receipt(DESTINATION, HEADER, material(), trust_of(addresses(KEYS[1:4])))


@pytest.mark.parametrize(
    "following", [[], {}, None, "00", [1], [""], ["0X"], ["c0"] * 65], ids=lambda value: str(value)[:12]
)
def test_what_is_no_list_of_headers_is_malformed(following: JsonValue) -> None:
    with pytest.raises(Malformed, match=r"receipt\.following"):
        prove_event(DESTINATION, material() | {"following": following}, trust_of(SIGNERS))


@given(st.data())
def test_no_byte_is_free(data: st.DataObject) -> None:
    whole = material()
    following: Any = whole["following"]
    at = data.draw(st.integers(0, len(following) - 1))
    raw = bytearray.fromhex(following[at])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    changed = [*following[:at], raw.hex(), *following[at + 1 :]]
    with pytest.raises(VerificationError):
        prove_event(DESTINATION, whole | {"following": changed}, trust_of(SIGNERS))


@given(st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=3))
def test_any_headers_are_refused(following: list[bytes]) -> None:
    whole = material((0,)) | {"following": [each.hex() for each in following]}
    with pytest.raises(VerificationError):
        prove_event(DESTINATION, whole, trust_of(SIGNERS))


class TestVector:
    """A receipt that a real network of three geth nodes gave."""

    @pytest.fixture
    def vector(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(VECTOR.read_text())
        return value

    def check(self, vector: dict[str, Any], **changed: JsonValue) -> tuple[Status, Source]:
        destination = parse_destination(vector["destination"])
        header = Header.decode(bytes.fromhex(vector["header"]))
        shown = Ethereum().check_receipt(destination, header, vector["material"] | changed, vector["trust"])
        assert (shown.time, shown.position) == (vector["time"], vector["material"]["block"]["number"])
        return shown.status, shown.source

    def test_it_is_proven(self, vector: dict[str, Any]) -> None:
        assert self.check(vector) == PROVEN
        following = vector["material"]["following"]
        assert self.check(vector, following=following[:2]) == PROVEN
        assert self.check(vector, following=following[:1]) == INCLUDED

    def test_no_header_of_it_can_be_left_out_or_moved(self, vector: dict[str, Any]) -> None:
        first, second, *rest = vector["material"]["following"]
        for following in ([second, *rest], [second, first, *rest], [first, *rest], [first, first, second]):
            with pytest.raises(VerificationError, match="does not follow it"):
                self.check(vector, following=following)

    @pytest.mark.parametrize("missing", range(3))
    def test_no_signer_of_it_can_be_left_out(self, vector: dict[str, Any], missing: int) -> None:
        signers = [each for at, each in enumerate(vector["trust"]["signers"]) if at != missing]
        with pytest.raises(VerificationError, match=r"not among the signers|has difficulty"):
            self.check(vector | {"trust": {"engine": "clique", "signers": signers}})
