"""Receipts and codec of the native adapter, one negative test for each check."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.native.destination import Native
from adapters.native.genesis import origin_of
from fabric.core.errors import FabricError, Malformed, VerificationError
from fabric.core.ids import NOBODY
from fabric.trust.batch import Header
from fabric.trust.checkpoint import Checkpoint, sign_note
from fabric.trust.destination import Destination
from fabric.trust.kind import DestinationKind
from tests.support import native
from tests.support.native import ALICE, SEQUENCER, START, open_native

KIND: DestinationKind = Native()
Material = dict[str, Any]


@pytest.fixture
async def settled(tmp_path: Path) -> tuple[Destination, Header, Material]:
    ledger = await open_native(tmp_path)
    work = [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in range(3)]
    await ledger.submit(await ledger.prepare([native.register(ledger.destination.id), *work], []))
    (receipt,) = await ledger.receipts([2])
    await ledger.aclose()
    return ledger.destination, work[1].header, dict(receipt.material)


def trust(destination: Destination) -> Material:
    return {"log_key": SEQUENCER.public.ed25519.hex(), "origin": origin_of(destination)}


def other_key(material: Material) -> None:
    origin, size, root = material["checkpoint"].split("\n")[:3]
    body = f"{origin}\n{size}\n{root}\n".encode()
    lines = material["checkpoint"].split("\n\n")[0]
    forged = sign_note(_parsed(lines), ALICE.public.ed25519, ALICE.sign_message(body))
    material["checkpoint"] = forged


def _parsed(lines: str) -> Checkpoint:
    origin, size, root = lines.split("\n")
    return Checkpoint(origin, int(size), base64.b64decode(root))  # type: ignore[arg-type]


def other_time(material: Material) -> None:
    material["entry"] = material["entry"] | {"time": START + 1}


def other_index(material: Material) -> None:
    material["index"] = 1


def other_path(material: Material) -> None:
    material["path"] = ["00" * 32, *material["path"][1:]]


def short_path(material: Material) -> None:
    material["path"] = material["path"][:-1]


def extra_signature(material: Material) -> None:
    material["checkpoint"] += "\u2014 witness AAAAAAAA\n"


def extra_name(material: Material) -> None:
    material["more"] = 1


def extra_name_in_the_entry(material: Material) -> None:
    material["entry"] = material["entry"] | {"more": 1}


def missing_checkpoint(material: Material) -> None:
    del material["checkpoint"]


REFUSED: list[Callable[[Material], None]] = [
    other_key,
    other_time,
    other_index,
    other_path,
    short_path,
    extra_signature,
]
MALFORMED: list[Callable[[Material], None]] = [extra_name, extra_name_in_the_entry, missing_checkpoint]


@pytest.mark.parametrize("with_trust", [True, False])
@pytest.mark.parametrize("change", REFUSED, ids=lambda one: one.__name__)
def test_refused(
    settled: tuple[Destination, Header, Material], change: Callable[[Material], None], *, with_trust: bool
) -> None:
    destination, header, material = settled
    roots = trust(destination) if with_trust else {}
    KIND.check_receipt(destination, header, material, roots)
    change(material)
    with pytest.raises(VerificationError):
        KIND.check_receipt(destination, header, material, roots)


@pytest.mark.parametrize("change", MALFORMED, ids=lambda one: one.__name__)
def test_malformed(settled: tuple[Destination, Header, Material], change: Callable[[Material], None]) -> None:
    destination, header, material = settled
    change(material)
    with pytest.raises(Malformed):
        KIND.check_receipt(destination, header, material, {})


def test_of_another_header(settled: tuple[Destination, Header, Material]) -> None:
    destination, header, material = settled
    with pytest.raises(VerificationError, match="does not settle this header"):
        KIND.check_receipt(destination, replace(header, epoch=2), material, {})


async def test_of_an_entry_that_is_no_settlement(tmp_path: Path) -> None:
    ledger = await open_native(tmp_path)
    await ledger.submit(await ledger.prepare([native.register(ledger.destination.id)], []))
    (receipt,) = await ledger.receipts([0])
    await ledger.aclose()
    header = native.settle(ledger, native.records(ledger, ["a"], NOBODY)).header
    with pytest.raises(VerificationError, match="does not settle this header"):
        KIND.check_receipt(ledger.destination, header, receipt.material, {})


def test_of_another_destination(settled: tuple[Destination, Header, Material]) -> None:
    destination, header, material = settled
    elsewhere = replace(destination, salt=bytes(32))
    with pytest.raises(VerificationError, match="a checkpoint of"):
        KIND.check_receipt(elsewhere, header, material, {})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"log_key": ALICE.public.ed25519.hex()}, VerificationError),
        ({"origin": "another"}, VerificationError),
        ({"log_key": "00"}, Malformed),
        ({"more": 1}, Malformed),
    ],
)
def test_under_other_roots(
    settled: tuple[Destination, Header, Material], changes: Material, error: type[FabricError]
) -> None:
    destination, header, material = settled
    with pytest.raises(error):
        KIND.check_receipt(destination, header, material, trust(destination) | changes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("checkpoint", "entry", "index", "path")


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3) | st.fixed_dictionaries(dict.fromkeys(NAMES, JSON)))
def test_any_material_is_a_value_or_refused(material: Material) -> None:
    header = Header(native.genesis().destination.id, 1, 1, NOBODY)  # type: ignore[arg-type]
    with pytest.raises((Malformed, VerificationError)):
        KIND.check_receipt(native.genesis().destination, header, material, {})


def test_the_codec_is_canonical_json() -> None:
    assert KIND.encode_payload({"kind": "json"}, {"b": 1, "a": [True, None]}) == b'{"a":[true,null],"b":1}'


@pytest.mark.parametrize("codec", [{}, {"kind": "abi"}, {"kind": "json", "fields": []}, {"kind": 1}])
def test_other_codecs_are_refused(codec: Material) -> None:
    with pytest.raises(Malformed):
        KIND.check_codec(codec)
    with pytest.raises(Malformed):
        KIND.encode_payload(codec, {})
