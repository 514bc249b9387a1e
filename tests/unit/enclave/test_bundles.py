"""The shelf: only what its publisher signed gets on it, and each refusal names the cryptlet."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.bundles.build import build
from fabric.bundles.native import Machine
from fabric.core import canonical
from fabric.core.errors import Malformed, Refused
from fabric.core.ids import Digest, Measurement, sha256
from fabric.enclave import bundles
from fabric.enclave.bundles import BundleShelf, UnknownBundle
from fabric.trust.publication import Publication, parse_publication
from fabric.trust.schemes import Signature
from tests.support.binaries import adder, needs_compiler, write_binary
from tests.support.enclaves import fingerprint
from tests.support.locked import write_locked
from tests.support.projects import COLD_CHAIN, PUBLISHER, built, signed

WHEEL, PUBLICATION = fingerprint()


def published(**changes: object) -> Publication:
    """Returns the publication with other fields, signed by the same publisher."""
    draft = replace(parse_publication(canonical.decode(PUBLICATION)), **changes)  # type: ignore[arg-type]
    value = PUBLISHER.key.sign(canonical.encode(draft.fields))
    return replace(draft, signature=Signature(draft.signature.scheme, draft.signature.key, value))


def document(publication: Publication) -> bytes:
    """Returns a publication as it is sent."""
    return canonical.encode(publication.to_json())


def test_a_bundle_is_loaded_and_kept_private(tmp_path: Path) -> None:
    shelf = BundleShelf(tmp_path / "bundles")
    measurement = shelf.load(WHEEL, PUBLICATION)
    assert shelf.load(WHEEL, PUBLICATION) == measurement
    loaded = shelf.get(measurement)
    assert (loaded.title, sorted(loaded.methods)) == ("fingerprint@1.0.0", ["document", "file"])
    assert loaded.bundle.wheel.read_bytes() == WHEEL
    assert stat.S_IMODE(loaded.bundle.wheel.stat().st_mode) == 0o600


def test_a_bundle_is_loaded_with_what_it_locks_and_not_without(tmp_path: Path) -> None:
    locked = build(write_locked(tmp_path / "project"))
    shelf, wheels = BundleShelf(tmp_path / "bundles"), tuple(locked.dependencies.values())
    for wrong in ((), (b"",), (*wheels, locked.wheel)):
        with pytest.raises(Malformed, match=r"is locked by this hash|are locked, "):
            shelf.load(locked.wheel, document(signed(locked)), wrong)
    assert list((tmp_path / "bundles").iterdir()) == []
    loaded = shelf.get(shelf.load(locked.wheel, document(signed(locked)), wheels)).bundle
    assert loaded.sizes == (len(locked.wheel), len(wheels[0]))
    assert loaded.wheel.read_bytes() == locked.wheel + wheels[0]


def test_an_unknown_bundle_has_a_code_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UnknownBundle) as caught:
        BundleShelf(tmp_path / "bundles").get(Measurement(bytes(32)))
    assert caught.value.code == "unknown-bundle"


@pytest.mark.parametrize("at", [0, len(WHEEL) // 2, -1])
def test_a_tampered_wheel_is_refused_by_name(tmp_path: Path, at: int) -> None:
    tampered = bytearray(WHEEL)
    tampered[at] ^= 1
    shelf = BundleShelf(tmp_path / "bundles")
    with pytest.raises(Refused, match=r"bundle fingerprint@1\.0\.0 is not the published one"):
        shelf.load(bytes(tampered), PUBLICATION)
    assert list((tmp_path / "bundles").iterdir()) == []


def test_a_forged_signature_is_refused_by_name(tmp_path: Path) -> None:
    forged = replace(parse_publication(canonical.decode(PUBLICATION)), version="1.0.1")
    with pytest.raises(Refused, match=r"fingerprint@1\.0\.1: the publisher's signature"):
        BundleShelf(tmp_path / "bundles").load(WHEEL, document(forged))


@pytest.mark.parametrize("change", [{"name": "other"}, {"version": "2.0.0"}, {"kind": "contract"}, {"lock": bytes(32)}])
def test_a_publication_that_says_something_else_than_the_wheel_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(Refused):
        BundleShelf(tmp_path / "bundles").load(WHEEL, document(published(**change)))


def test_signed_nonsense_is_no_bundle(tmp_path: Path) -> None:
    wheel = b"nonsense"
    with pytest.raises(Malformed):
        BundleShelf(tmp_path / "bundles").load(wheel, document(published(wheel=Digest(sha256(wheel)))))


def test_the_longest_unused_bundle_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_BUNDLES", 1)
    shelf = BundleShelf(tmp_path / "bundles")
    first = shelf.load(WHEEL, PUBLICATION)
    other = built(COLD_CHAIN)
    second = shelf.load(other.wheel, document(signed(other)))
    with pytest.raises(UnknownBundle):
        shelf.get(first)
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [f"{second.hex()}.whl"]


@given(st.binary(max_size=300))
def test_any_bytes_are_no_publication(data: bytes) -> None:
    with pytest.raises(Malformed):
        BundleShelf(Path("/tmp")).load(WHEEL, data)  # noqa: S108 - nothing is written


@needs_compiler
def test_a_binary_wheel_is_kept_with_its_place_and_only_where_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = build(write_binary(tmp_path / "project", adder(tmp_path / "made")))
    shelf, wheels = BundleShelf(tmp_path / "bundles"), tuple(native.dependencies.values())
    loaded = shelf.get(shelf.load(native.wheel, document(signed(native)), wheels))
    assert loaded.bundle.unpacked == (1,)
    assert loaded.capabilities == {"native"}
    monkeypatch.setattr(Machine, "here", lambda: Machine("riscv64", 36, 11))
    with pytest.raises(Refused, match=r"greeter@1\.0\.0 cannot run in this enclave: adder-.*; here is .*riscv64"):
        BundleShelf(tmp_path / "others").load(native.wheel, document(signed(native)), wheels)
    assert list((tmp_path / "others").iterdir()) == []
