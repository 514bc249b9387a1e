"""`fabric` is an SSH tool's name on PyPI: what is imported must be this tree and nothing else."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT


@pytest.mark.parametrize("package", PACKAGES)
def test_the_name_resolves_into_this_tree(package: str, tmp_path: Path) -> None:
    """Asked in another folder and without pytest's own path, as the installed command sees it."""
    question = f"import importlib.util as u; print(u.find_spec({package!r}).origin)"
    answer = subprocess.run(
        [sys.executable, "-I", "-c", question],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )
    assert Path(answer.stdout.strip()) == ROOT / package / "__init__.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_installs_the_name(package: str) -> None:
    providers = importlib.metadata.packages_distributions().get(package, [])
    # An editable install of ours lists no modules at all.
    assert set(providers) <= {"cryptlet-fabric"}
