"""Archives that are no bundles, uploaded over HTTP: none is taken in, and nothing of one is kept where readers look."""

import asyncio
import io
import stat
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.bundles.bundle import read_bundle
from fabric.core import canonical
from fabric.core.errors import FabricError, Malformed, Refused
from fabric.core.ids import Digest, sha256
from fabric.trust.schemes import ED25519, Signature
from registry.book.bodies import Release
from registry.client.api import Api
from registry.client.transport import Web
from registry.publish import sign_publication
from registry.server.app import make_app
from tests.support.registries import ALICE, opened, wheel
from tests.support.registry_server import serving

pytestmark = pytest.mark.e2e
GOOD = wheel()


def _with(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Returns the good wheel with entries added at its end."""
    file = io.BytesIO(GOOD)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "a", method) as archive:  # a name twice
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def _link() -> bytes:
    info = zipfile.ZipInfo("greeter/link.py")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return _with((info, b"/etc/passwd"))


TRICKS: dict[str, Callable[[], bytes]] = {
    "path upwards": lambda: _with(("../../evil.py", b"x")),
    "absolute path": lambda: _with(("/etc/cron.d/evil", b"x")),
    "link": _link,
    "name twice": lambda: _with(("greeter/__init__.py", b"evil = 1\n")),
    "bomb": lambda: _with(("greeter/zero.py", bytes(64 << 20)), method=zipfile.ZIP_DEFLATED),
    "pickle": lambda: _with(("greeter/model.pkl", b"\x80\x04.")),
    "install hook": lambda: _with(("greeter-1.0.0.data/scripts/run", b"#!/bin/sh\n")),
    "path file": lambda: _with(("evil.pth", b"import os\n")),
    "bytes before": lambda: b"MZ" + GOOD,
    "bytes behind": lambda: GOOD + b"x",
    "cut off": lambda: GOOD[:-8],
    "no archive": lambda: b"hello",
}


def _release(data: bytes) -> Release:
    """Returns a release that an owner signed for a file, whatever it is."""
    publication = sign_publication(read_bundle(GOOD), ALICE.publisher)
    forged = replace(publication, wheel=Digest(sha256(data)))
    value = ALICE.key.sign(canonical.encode(forged.fields))
    return Release(replace(forged, signature=Signature(ED25519, ALICE.key.public, value)), max(1, len(data)))


@pytest.mark.parametrize("name", TRICKS)
async def test_an_archive_that_is_no_bundle_is_refused(tmp_path: Path, name: str) -> None:
    data = await asyncio.to_thread(TRICKS[name])
    async with opened(tmp_path) as house, serving(make_app(house.registry)) as url:
        await house.claim("acme", ALICE)

        def publish() -> None:
            api = Api(Web(url))
            with pytest.raises((Malformed, Refused)):
                api.submit(api.make("acme", _release(data), [ALICE.key]), data)

        await asyncio.to_thread(publish)
        assert house.registry.book.size == 2
        assert await asyncio.to_thread(_kept, tmp_path) == []


def _kept(folder: Path) -> list[Path]:
    return [*folder.rglob("*.whl"), *folder.rglob("*evil*")]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(0, len(GOOD) - 1), put=st.binary(max_size=4), cut=st.integers(0, 4))
def test_no_changed_wheel_is_a_bundle_of_the_same_name_unless_its_source_changed(at: int, put: bytes, cut: int) -> None:
    """Any bytes give a refusal; a wheel that is accepted is the one canonical wheel of its sources."""
    data = GOOD[:at] + put + GOOD[at + cut :]
    try:
        bundle = read_bundle(data)
    except FabricError:
        return
    assert data == GOOD or bundle.measurement != read_bundle(GOOD).measurement
    assert bundle.wheel_digest == sha256(data)
