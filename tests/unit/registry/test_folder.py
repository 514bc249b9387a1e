"""The registry folder: what goes in comes out unchanged or not at all."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.bundles.build import Built, build
from fabric.core import canonical, plugins
from fabric.core.errors import ConfigError, Malformed, NotFound, Refused, VerificationError
from fabric.core.ids import Measurement
from registry.folder import FolderRegistry, open_source
from registry.publish import Publisher, publish
from tests.support.locked import write_locked
from tests.support.projects import COLD_CHAIN, FINGERPRINT, PUBLISHER, SOURCE, built, signed, write_project

if TYPE_CHECKING:
    from fabric.bundles.source import BundleSource

BUNDLE = built(COLD_CHAIN)
ID = BUNDLE.bundle.measurement.hex()


@pytest.fixture
def registry(tmp_path: Path) -> FolderRegistry:
    folder = FolderRegistry(tmp_path / "registry")
    folder.publish(BUNDLE.wheel, signed(BUNDLE))
    return folder


def _greeter(folder: Path, version: str, source: str = SOURCE) -> Built:
    return build(write_project(folder, version=version, source=source))


def test_what_is_published_is_found_again(registry: FolderRegistry) -> None:
    source: BundleSource = registry
    measurement = source.resolve("cold-chain", "1.0.0")
    assert measurement == source.resolve("cold-chain") == BUNDLE.bundle.measurement
    assert source.get(measurement) == (BUNDLE.wheel, signed(BUNDLE))


def test_what_a_bundle_locks_is_kept_by_its_hash(tmp_path: Path) -> None:
    locked, registry = build(write_locked(tmp_path / "project")), FolderRegistry(tmp_path / "registry")
    with pytest.raises(Malformed, match="is locked by this hash"):
        registry.publish(locked.wheel, signed(locked))
    assert not registry.root.exists()
    wheels = tuple(locked.dependencies.values())
    registry.publish(locked.wheel, signed(locked), wheels)
    digest = locked.bundle.manifest.project.dependencies[0].digest
    assert registry.dependency(digest) == wheels[0]
    path = registry.root / f"dependencies/{digest.hex()}.whl"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(VerificationError, match="it was changed"):
        registry.dependency(digest)
    path.unlink()
    with pytest.raises(NotFound, match="holds no dependencies/"):
        registry.dependency(digest)


def test_the_layout_is_as_documented(registry: FolderRegistry) -> None:
    files = {path.relative_to(registry.root).as_posix() for path in registry.root.rglob("*") if path.is_file()}
    assert files == {f"bundles/{ID}.whl", f"publications/{ID}.json", "index/cold-chain.json", ".lock"}
    index = canonical.decode((registry.root / "index/cold-chain.json").read_bytes())
    assert index == {"1.0.0": ID}


def test_publishing_again_changes_nothing(registry: FolderRegistry) -> None:
    assert registry.publish(BUNDLE.wheel, signed(BUNDLE)) == BUNDLE.bundle.measurement
    assert registry.names() == ["cold-chain"]


def test_a_version_is_never_given_to_another_measurement(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path / "registry")
    first, second = _greeter(tmp_path / "a", "1.0.0"), _greeter(tmp_path / "b", "1.0.0", SOURCE + "\n")
    registry.publish(first.wheel, signed(first))
    with pytest.raises(
        Refused, match=rf"greeter@1\.0\.0 is published with measurement {first.bundle.measurement.hex()}"
    ):
        registry.publish(second.wheel, signed(second))
    assert registry.resolve("greeter") == first.bundle.measurement
    with pytest.raises(NotFound):
        registry.get(second.bundle.measurement)


def test_the_newest_release_is_chosen(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path / "registry")
    ids = {}
    for version in ("1.9.0", "1.10.0", "2.0.0rc1", "2.0.0a9"):
        bundle = _greeter(tmp_path / version, version)
        ids[version] = registry.publish(bundle.wheel, signed(bundle))
    assert registry.resolve("greeter") == ids["1.10.0"]
    assert registry.resolve("greeter", "2.0.0rc1") == ids["2.0.0rc1"]
    with pytest.raises(NotFound, match=r"no version '1\.9' of greeter - did you mean '1\.9\.0'"):
        registry.resolve("greeter", "1.9")


def test_without_a_release_the_newest_try_is_chosen(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path / "registry")
    ids = {}
    for version in ("2.0.0rc1", "2.0.0b2", "2.0.0a9"):
        bundle = _greeter(tmp_path / version, version)
        ids[version] = registry.publish(bundle.wheel, signed(bundle))
    assert registry.resolve("greeter") == ids["2.0.0rc1"]


@pytest.mark.parametrize("name", ["cold-chian", "../index/cold-chain", "", "COLD-CHAIN"])
def test_an_unknown_name_is_answered_with_the_nearest(registry: FolderRegistry, name: str) -> None:
    with pytest.raises(NotFound, match="cold-chain"):
        registry.resolve(name)


def test_an_unknown_measurement_is_not_found(registry: FolderRegistry) -> None:
    with pytest.raises(NotFound, match="publications/00"):
        registry.get(Measurement(bytes(32)))


def test_a_changed_wheel_is_refused_by_name(registry: FolderRegistry) -> None:
    path = registry.root / f"bundles/{ID}.whl"
    path.write_bytes(path.read_bytes().replace(b"8_000", b"9_000"))
    with pytest.raises(VerificationError, match="it was changed") as refusal:
        registry.get(BUNDLE.bundle.measurement)
    assert refusal.value.step == f"bundles/{ID}.whl"


def test_a_missing_wheel_is_named(registry: FolderRegistry) -> None:
    (registry.root / f"bundles/{ID}.whl").unlink()
    with pytest.raises(NotFound, match=f"bundles/{ID}"):
        registry.get(BUNDLE.bundle.measurement)


def test_a_changed_publication_is_refused_by_name(registry: FolderRegistry) -> None:
    path, good = registry.root / f"publications/{ID}.json", signed(BUNDLE)
    other = signed(built(FINGERPRINT))
    forged = replace(good, name="cold-chains")
    spelled = canonical.encode(good.to_json()).replace(b":", b": ", 1)
    for data in (b"", spelled, *(canonical.encode(one.to_json()) for one in (forged, other))):
        path.write_bytes(data)
        with pytest.raises(VerificationError, match="it was changed") as refusal:
            registry.get(BUNDLE.bundle.measurement)
        assert refusal.value.step == f"publications/{ID}.json"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"1.0.0":"x"}', b'{"one":"' + b"0" * 64 + b'"}'])
def test_a_changed_index_is_refused_by_name(registry: FolderRegistry, data: bytes) -> None:
    (registry.root / "index/cold-chain.json").write_bytes(data)
    with pytest.raises(VerificationError) as refusal:
        registry.resolve("cold-chain")
    assert refusal.value.step == "index/cold-chain.json"


def test_an_index_that_leads_elsewhere_is_refused(registry: FolderRegistry) -> None:
    (registry.root / "index/fingerprint.json").write_bytes(canonical.encode({"1.0.0": ID}))
    with pytest.raises(VerificationError, match="leads to cold-chain@1"):
        registry.resolve("fingerprint")


def test_what_does_not_belong_together_is_not_taken_in(registry: FolderRegistry) -> None:
    other = built(FINGERPRINT)
    with pytest.raises(Refused, match="not of this bundle"):
        registry.publish(other.wheel, signed(BUNDLE))
    with pytest.raises(Refused, match="signature"):
        registry.publish(other.wheel, replace(signed(other), kind="utility", signature=signed(BUNDLE).signature))
    with pytest.raises(Malformed):
        registry.publish(other.wheel + b"\n", signed(other))
    assert registry.names() == ["cold-chain"]


def test_publishers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Processes of their own, each with another version of one name."""
    script = (
        "import sys; from pathlib import Path\n"
        "from registry.commands import app\n"
        "app(['publish', sys.argv[1], '--registry', sys.argv[2], '--key', sys.argv[3]])"
    )
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text("00" * 32)
    versions = [f"1.0.{number}" for number in range(3)]
    running = []
    for version in versions:
        bundle = _greeter(tmp_path / version, version)
        wheel = tmp_path / version / bundle.filename
        wheel.write_bytes(bundle.wheel)
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", script, wheel, tmp_path / "registry", key], stdout=subprocess.DEVNULL
            )
        )
    assert [process.wait(60) for process in running] == [0] * len(versions)
    registry = FolderRegistry(tmp_path / "registry")
    assert len({registry.resolve("greeter", version) for version in versions}) == len(versions)


def test_it_is_reached_by_its_entry_point(registry: FolderRegistry) -> None:
    assert plugins.load(plugins.BUNDLE_SOURCES, "folder") is open_source
    assert open_source({"path": str(registry.root)}).get(BUNDLE.bundle.measurement)[0] == BUNDLE.wheel


@pytest.mark.parametrize(
    ("config", "message"),
    [({}, "expected path"), ({"path": 1}, "expected path"), ({"pth": "x"}, "did you mean 'path'")],
)
def test_a_wrong_configuration_is_named(config: dict[str, canonical.JsonValue], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_source(config)


def test_the_publisher_is_whoever_holds_the_key(tmp_path: Path) -> None:
    other = Publisher(Ed25519PrivateKey.generate())
    _, publication = publish(BUNDLE.wheel, FolderRegistry(tmp_path), other)
    assert publication.signature.key == other.identity != PUBLISHER.identity
    assert publication.is_signed()


def test_nobody_else_puts_its_word_in_the_place_of_the_publishers(registry: FolderRegistry) -> None:
    before = registry.get(BUNDLE.bundle.measurement)
    with pytest.raises(Refused, match="was published by"):
        publish(BUNDLE.wheel, registry, Publisher(Ed25519PrivateKey.generate()))
    assert registry.get(BUNDLE.bundle.measurement) == before
