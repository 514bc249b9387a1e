"""Receipt material offline: what holds is shown, and every part that is changed is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import rlp
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum.anchorage import Material, parse
from adapters.ethereum.destination import SETTLED, Ethereum
from adapters.ethereum.mpt import Trie, index_key
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import sha256
from fabric.trust.batch import Header
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.kind import Anchorage, Source, Status

VECTOR: Final = Path(__file__).parents[2] / "vectors" / "ethereum_receipt.json"
WORD: Final = bytes(sha256(b"word"))
SETTLEMENT: Final = WORD[:20]
DESTINATION: Final = Destination("ethereum", WORD, WORD, SETTLEMENT.rjust(32, b"\0"), WORD)
HEADER: Final = Header(DESTINATION.id, 1, 3, sha256(b"root"))
NUMBER, TIME, INDEX, LOG = 300, 1_800_000_000, 2, 1
Log = tuple[bytes, list[bytes], bytes]
GOOD_LOG: Final[Log] = (SETTLEMENT, [SETTLED, HEADER.batch_id, WORD], bytes(64))
OTHER_LOG: Final[Log] = (WORD[:20], [WORD], b"")


def receipt(log: Log = GOOD_LOG, status: bytes = b"\1", kind: bytes = b"\2") -> bytes:
    encoded: bytes = rlp.encode([status, b"\x52\x08", bytes(256), [list(OTHER_LOG), list(log)]])
    return kind + encoded


def header(root: bytes, number: int = NUMBER) -> bytes:
    fields = [WORD, WORD, WORD[:20], WORD, WORD, root, bytes(256), b"", number.to_bytes(2, "big"), b"\1", b"\1"]
    encoded: bytes = rlp.encode([*fields, TIME.to_bytes(4, "big"), b"", WORD, bytes(8), b"\7"])
    return encoded


def material(shown: bytes, number: int = NUMBER) -> JsonObject:
    """Returns material whose block holds a receipt among others."""
    others = {index_key(at): receipt(OTHER_LOG) for at in range(5)}
    trie = Trie(others | {index_key(INDEX): shown})
    block = header(trie.root, number)
    proof = tuple(trie.proof(index_key(INDEX)))
    return Material(keccak(block), NUMBER, block, INDEX, proof, LOG).to_json()


def check(value: JsonObject, trust: JsonObject | None = None) -> Anchorage:
    return Ethereum().check_receipt(DESTINATION, HEADER, value, trust or {})


@pytest.mark.parametrize("kind", [b"", b"\1", b"\2"], ids=["legacy", "type-1", "type-2"])
def test_what_it_shows(kind: bytes) -> None:
    shown = check(material(receipt(kind=kind)))
    where = f"block {NUMBER} transaction {INDEX} log {LOG}"
    assert shown == Anchorage(Status.INCLUDED, Source.ASSERTED, TIME, NUMBER, where)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (receipt(status=b""), "did not succeed"),
        (receipt(status=WORD), "did not succeed"),
        (receipt((WORD[12:], GOOD_LOG[1], b"")), "another contract"),
        (receipt((SETTLEMENT, [SETTLED, WORD], b"")), "does not settle"),
        (receipt((SETTLEMENT, [WORD, HEADER.batch_id], b"")), "does not settle"),
        (receipt((SETTLEMENT, [SETTLED], b"")), "does not settle"),
        (receipt((SETTLEMENT, [], b"")), "does not settle"),
        (b"\2" + rlp.encode([b"\1", b"", bytes(256)]), "did not succeed"),
        (b"\2" + rlp.encode([b"\1", b"", bytes(256), [b"", b""]]), "another form"),
        (b"\2" + rlp.encode([b"\1", b"", bytes(256), b"logs" * 9]), "no log"),
        (b"\2" + rlp.encode([b"\1", b"", bytes(256), [[], [[], [], b""]]]), "list where bytes belong"),
        (b"\2" + bytes(40), "receipt is"),
    ],
    ids=[
        *("failed", "before-byzantium", "contract", "batch", "event", "topic", "no-topic"),
        *("fields", "log", "logs", "address", "garbage"),
    ],
)
def test_a_receipt_that_does_not_show_it_is_refused(shown: bytes, reason: str) -> None:
    with pytest.raises(VerificationError, match=reason) as caught:
        check(material(shown))
    assert caught.value.step == "settlement"


def change(path: str, value: JsonValue) -> Callable[[JsonObject], JsonObject]:
    def changed(whole: JsonObject) -> JsonObject:
        outer, _, inner = path.partition(".")
        part: Any = whole[outer]
        return whole | {outer: part | {inner: value} if inner else value}

    return changed


@pytest.mark.parametrize(
    "changed",
    [
        change("block.hash", WORD.hex()),
        change("block.number", NUMBER + 1),
        change("header", header(WORD).hex()),
        change("header", "00"),
        change("index", INDEX + 1),
        change("log", LOG - 1),
        change("log", LOG + 1),
        change("proof", []),
        change("proof", ["00"]),
    ],
    ids=["hash", "number", "header", "no-header", "index", "log", "no-log", "no-proof", "proof"],
)
def test_a_changed_part_is_refused(changed: Callable[[JsonObject], JsonObject]) -> None:
    with pytest.raises(VerificationError, match="settlement"):
        check(changed(material(receipt())))


def test_a_header_of_another_block_is_refused() -> None:
    with pytest.raises(VerificationError, match="another block"):
        check(material(receipt(), number=NUMBER + 1))


@pytest.mark.parametrize(
    "encoded",
    [rlp.encode([WORD] * 14), rlp.encode([[WORD]] * 15), rlp.encode(WORD), b"\xf8", rlp.encode([WORD] * 15) + b"\0"],
    ids=["short", "nested", "bytes", "cut", "trailing"],
)
def test_a_header_of_another_form_is_refused(encoded: bytes) -> None:
    whole = material(receipt()) | {"header": encoded.hex()}
    whole["block"] = {"hash": keccak(encoded).hex(), "number": NUMBER}
    with pytest.raises(VerificationError, match="header"):
        check(whole)


@pytest.mark.parametrize(
    "changed",
    [
        change("block", []),
        change("block.more", 1),
        change("block.hash", WORD.hex().upper()),
        change("block.number", -1),
        change("block.number", 1.0),
        change("index", None),
        change("index", value=True),
        change("log", "1"),
        change("header", ""),
        change("header", "0"),
        change("header", "0X"),
        change("header", "00" * (1 << 15)),
        change("proof", {}),
        change("proof", [""]),
        change("proof", ["00"] * 17),
    ],
    ids=[
        *("block", "block-more", "hash", "number", "number-float", "index", "index-bool", "log"),
        *("header-empty", "header-half", "header-letter", "header-large"),
        *("proof", "proof-node", "proof-long"),
    ],
)
def test_what_is_no_material_is_malformed(changed: Callable[[JsonObject], JsonObject]) -> None:
    with pytest.raises(Malformed, match="receipt"):
        parse(changed(material(receipt())))


def test_a_part_too_many_or_too_few_is_malformed() -> None:
    whole = material(receipt())
    with pytest.raises(Malformed, match="receipt"):
        parse(whole | {"more": 0})
    for name in whole:
        with pytest.raises(Malformed, match="receipt"):
            parse({key: value for key, value in whole.items() if key != name})


def test_material_is_read_back() -> None:
    whole = material(receipt())
    assert parse(whole).to_json() == whole


def test_a_policy_that_asks_for_more_is_not_ignored() -> None:
    with pytest.raises(Malformed, match="validators"):
        check(material(receipt()), {"validators": []})


@given(st.data())
def test_no_byte_is_free(data: st.DataObject) -> None:
    whole = material(receipt())
    proof: Any = whole["proof"]
    name = data.draw(st.sampled_from(["header", *range(len(proof))]))
    raw = bytearray.fromhex(str(whole["header"] if name == "header" else proof[name]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    if name == "header":
        whole["header"] = raw.hex()
    else:
        whole["proof"] = [*proof[:name], raw.hex(), *proof[name + 1 :]]
    with pytest.raises(VerificationError):
        check(whole)


scalars = st.none() | st.booleans() | st.integers(-2, 2**60) | st.sampled_from(["", "00", "c0", "f8", "ab" * 32])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4))
blocks = st.fixed_dictionaries({"hash": scalars, "number": scalars})


@given(
    st.fixed_dictionaries({"block": blocks | values, "header": values, "index": values, "log": values, "proof": values})
)
def test_any_json_is_refused(value: JsonObject) -> None:
    with pytest.raises((Malformed, VerificationError)):
        check(value)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_any_header_and_receipt_are_refused(encoded: bytes, shown: bytes) -> None:
    trie = Trie({index_key(0): shown or b"\0"})
    for block in (encoded or b"\0", header(trie.root)):
        given_ = Material(keccak(block), NUMBER, block, 0, tuple(trie.proof(index_key(0))), 0)
        with pytest.raises(VerificationError):
            check(given_.to_json())


def test_the_vector_of_a_real_block() -> None:
    vector = json.loads(VECTOR.read_text())
    destination = parse_destination(vector["destination"])
    header = Header.decode(bytes.fromhex(vector["header"]))
    shown = Ethereum().check_receipt(destination, header, vector["material"], {})
    block = vector["material"]["block"]["number"]
    assert (shown.time, shown.position) == (vector["time"], block)
    assert shown.locator == f"block {block} transaction 17 log 0"
    elsewhere = replace(destination, settlement=WORD)
    with pytest.raises(VerificationError, match="another contract"):
        Ethereum().check_receipt(elsewhere, header, vector["material"], {})
    with pytest.raises(VerificationError, match="does not settle"):
        Ethereum().check_receipt(destination, HEADER, vector["material"], {})


def test_reading_it_loads_no_client() -> None:
    program = "import adapters.ethereum.destination, sys; sys.exit('web3' in sys.modules or 'aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0
