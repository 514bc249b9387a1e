"""A bundle that asks for hardware which no pool here has is refused when it is bound, not run on less."""

from dataclasses import replace

import pytest

from fabric.bindings.authorise import check_hardware
from fabric.bundles.manifest import Hardware, Manifest
from fabric.core.errors import Refused
from tests.support.projects import COLD_CHAIN, built


def asking(hardware: Hardware) -> Manifest:
    manifest = built(COLD_CHAIN).bundle.manifest
    return replace(manifest, project=manifest.project.model_copy(update={"hardware": hardware}))


def test_what_a_container_has_may_be_asked_for() -> None:
    check_hardware(asking(Hardware()))
    check_hardware(asking(Hardware(memory_mb=512)))


@pytest.mark.parametrize(
    ("hardware", "named"),
    [
        (Hardware(gpus=1), "1 accelerators"),
        (Hardware(labels={"tee": "tdx"}), "tee = 'tdx'"),
        (Hardware(memory_mb=513), "513 MiB of memory (a container has 512)"),
    ],
    ids=["gpus", "labels", "memory"],
)
def test_what_no_pool_has_is_named(hardware: Hardware, named: str) -> None:
    with pytest.raises(Refused) as caught:
        check_hardware(asking(hardware))
    assert named in str(caught.value)
    assert "cold-chain@1.0.0" in str(caught.value)
