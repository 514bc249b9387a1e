"""Installs Debian's Chromium, in which tests read the registry's pages, where it is missing and may be installed.

python deploy/devnets/chromium.py              install if need be, then say which one there is, or that tests skip it
"""

import os
import shutil
import subprocess
import sys
from typing import Final

TIMEOUT_SECONDS: Final = 600
_COMMANDS: Final = (
    ("apt-get", "update"),
    ("apt-get", "install", "-y", "--no-install-recommends", "chromium"),
)


def main() -> int:
    """Runs the command; always 0, since the tests that need a browser say themselves that there is none."""
    if not shutil.which("chromium") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in _COMMANDS:
            try:
                subprocess.run(command, check=True, env=environment, stdout=sys.stderr, timeout=TIMEOUT_SECONDS)
            except (OSError, subprocess.SubprocessError) as error:
                print(f"deploy/devnets/chromium.py: {error}", file=sys.stderr)
                break
    print(f"chromium: {shutil.which('chromium') or 'none, so that the tests of pages in a browser are skipped'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
