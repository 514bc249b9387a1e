"""Starts a node in one of two ways, and writes down where it runs before anything else can happen.

``python -m fabric.ledger.launcher bound|free PARENT FILE PORT COMMAND...``: a *bound* node takes the place of this
process and gets SIGTERM, on which it saves its state, when the parent ends. A *free* node is nobody's child: neither
the end of who started it nor the closing of an event loop ends it. FILE gets the pid and port as JSON, so that whoever
comes next finds the node, even if the parent was killed meanwhile.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_SET_PDEATHSIG: Final = 1


def main(arguments: Sequence[str]) -> None:
    """Runs the command; returns only after a free node was started."""
    way, parent, place, port, *command = arguments
    if way == "bound":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):
            sys.exit("who started the node is gone already")
        write(Path(place), os.getpid(), int(port))
        os.execv(command[0], command)  # noqa: S606 - an argument list of our own parent, no shell
    with Path(os.devnull).open("rb") as nothing:
        node = subprocess.Popen(command, stdin=nothing, start_new_session=True)  # noqa: S603 - as above
    write(Path(place), node.pid, int(port))


def write(place: Path, pid: int, port: int) -> None:
    """Writes down where a node runs; a reader sees the old file or the new one, never a part."""
    draft = place.with_suffix(".draft")
    draft.write_text(json.dumps({"pid": pid, "port": port}))
    draft.replace(place)


if __name__ == "__main__":
    main(sys.argv[1:])
