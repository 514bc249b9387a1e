"""Attacks: what a hostile cryptlet would try first. They run in containers, as the self-test and in the tests.

Attacks are small and harmless where they succeed: a signal is number 0, a file is opened and not read further.
"""

import json
from typing import Final

from fabric.core import canonical
from fabric.enclave.sandbox.attacks import calls, files, memory, network, processes
from fabric.enclave.sandbox.attacks.bait import Attack, Bait
from fabric.sdk import Context

BLOCKED: Final = b"null"
"""What the probe answers when an attack was refused; otherwise what it got, as a JSON text."""
ATTACKS: Final[dict[str, Attack]] = {
    **files.ATTACKS,
    **processes.ATTACKS,
    **network.ATTACKS,
    **memory.ATTACKS,
    **calls.ATTACKS,
}


def attempt(attack: Attack, bait: Bait) -> str | None:
    """Runs an attack; returns what it got, or None when the kernel refused.

    Any other exception than the kernel's refusals is reported as if the attack had got through: it proves nothing.
    """
    try:
        return attack(bait)
    except (OSError, MemoryError):
        return None
    except BaseException as error:  # noqa: BLE001 - the verdict must not depend on what went wrong
        return f"did not run: {type(error).__name__}: {error}"


class Probe:
    """Stands in the place of a cryptlet; its methods are the attacks."""

    def invoke(self, method: str, data: bytes, context: Context) -> bytes:
        """Runs one attack on the bait that the input names; returns the verdict as JSON."""
        del context
        seen = attempt(ATTACKS[method], json.loads(data))
        return canonical.encode(seen)


def load(entry: str) -> Probe:
    """Returns the probe, as a loader of ``fabric.enclave.sandbox.inside``."""
    del entry
    return Probe()
