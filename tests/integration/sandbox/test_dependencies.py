"""A cryptlet on locked wheels, in a real container: it imports from them, and they hide nothing of the platform's."""

from pathlib import Path

import pytest

from fabric.bundles.build import build
from fabric.core.model import Failure
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Reply
from tests.support.locked import SPELLER, foreign_wheel, write_locked
from tests.support.wheels import call

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

TENANT = b"tenant"
ASKED = call("greet", b'{"name":"ada"}')


def _packed(folder: Path, files: list[bytes], measurement: bytes) -> Bundle:
    path = folder / "files"
    path.write_bytes(b"".join(files))
    return Bundle(measurement, path, "greeter:Greeter", tuple(map(len, files)))


async def test_a_cryptlet_imports_from_what_it_locks(host: ContainerHost, tmp_path: Path) -> None:
    built = build(write_locked(tmp_path / "project"))
    bundle = _packed(tmp_path, [built.wheel, *built.dependencies.values()], b"1" * 32)
    assert await host.run(bundle, TENANT, [ASKED]) == [Reply(b'{"name":"ADA"}')]


async def test_without_it_the_import_fails(host: ContainerHost, tmp_path: Path) -> None:
    built = build(write_locked(tmp_path / "project"))
    (reply,) = await host.run(_packed(tmp_path, [built.wheel], b"2" * 32), TENANT, [ASKED])
    assert reply.failure is not None
    assert "No module named 'speller'" in reply.failure.message


async def test_a_dependency_hides_nothing(host: ContainerHost, tmp_path: Path) -> None:
    """The shelf refuses such a wheel; were it let through, it would still come last."""
    built = build(write_locked(tmp_path / "project"))
    evil = b"raise RuntimeError('taken for another')\n"
    names = ("pydantic/__init__.py", "fabric/__init__.py", "colorsys.py", "greeter/__init__.py")
    hiding = foreign_wheel({**dict.fromkeys(names, evil), **SPELLER})
    assert await host.run(_packed(tmp_path, [built.wheel, hiding], b"3" * 32), TENANT, [ASKED]) == [
        Reply(b'{"name":"ADA"}')
    ]


async def test_a_file_of_another_length_is_refused(host: ContainerHost, tmp_path: Path) -> None:
    built = build(write_locked(tmp_path / "project"))
    bundle = _packed(tmp_path, [built.wheel, *built.dependencies.values()], b"4" * 32)
    bundle.wheel.write_bytes(bundle.wheel.read_bytes()[:-1])
    (reply,) = await host.run(bundle, TENANT, [ASKED])
    size = sum(bundle.sizes)
    assert reply.failure == Failure("container-lost", f"the bundle's file has {size - 1} bytes, expected {size}")
