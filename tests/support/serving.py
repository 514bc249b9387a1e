"""A state folder whose endpoint is a stand-in behind a real door, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fabric.core.ids import FabricId
from fabric.gateway.endpoint import KEY_FILE, Endpoint, OpenLedger, write_ledgers
from tests.support.proofs import NATIVE
from tests.support.trust_samples import word

KEY: Final = "the local key"


@contextmanager
def serving(folder: Path, caller: str = "acme") -> Iterator[None]:
    """Makes a state folder of a folder, with a door that knows one caller."""
    target = f"unix:{folder}/door"
    ledgers = {"native": OpenLedger(NATIVE, {})}
    Endpoint(target, FabricId(word("fabric")), 1, ledgers).write(folder)
    write_ledgers(folder, ledgers)
    (folder / KEY_FILE).parent.mkdir()
    (folder / KEY_FILE).write_text(KEY)
    program = [sys.executable, "-m", "tests.support.doors", target, KEY, caller]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()
        assert process.wait(30) == 0
