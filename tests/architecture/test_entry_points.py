"""The platform reaches adapters, registry and commands by entry points only, so each must load."""

import importlib.metadata
from typing import Final

import pytest

from fabric.core import plugins

GROUPS: Final = (
    plugins.LEDGERS,
    plugins.DESTINATIONS,
    plugins.DEVNETS,
    plugins.EXTERNALS,
    plugins.TOOLS,
    plugins.INTEGRATORS,
    plugins.CORRESPONDENTS,
    plugins.ACCOUNTS,
    plugins.BUNDLE_SOURCES,
    plugins.CHECKS,
    plugins.COMMANDS,
    plugins.REFERENCES,
)
POINTS: Final = [
    point
    for point in importlib.metadata.distribution("cryptlet-fabric").entry_points
    if point.group in (*GROUPS, "console_scripts")
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.group}:{point.name}")
def test_the_entry_point_loads(point: importlib.metadata.EntryPoint) -> None:
    assert callable(point.load())


def test_every_group_has_a_member() -> None:
    declared = {point.group for point in importlib.metadata.distribution("cryptlet-fabric").entry_points}
    assert {point.group for point in POINTS} == declared == {*GROUPS, "console_scripts"}
