"""Starting a process that holds keys: what keeps it from starting is an error of the platform, to be tried again."""

from pathlib import Path

import pytest

from fabric.core.errors import PlatformError
from fabric.signers.spawn import spawn


async def test_a_log_that_cannot_be_opened_is_an_error_of_the_platform(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"fabric.signers cannot be started: .*No such file"):
        await spawn("fabric.signers", {}, tmp_path / "missing" / "log")
