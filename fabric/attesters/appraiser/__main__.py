"""The appraiser's process: ``python -m fabric.attesters.appraiser``, started by ``launch_appraiser``.

``--folder DIR`` runs it by hand, for an operator who keeps it on another account or machine.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from fabric.attesters.appraiser.files import AppraiserFolder
from fabric.attesters.appraiser.policy import parse_policy
from fabric.attesters.appraiser.protocol import MAX_FRAME_BYTES, Answerer
from fabric.attesters.appraiser.service import Appraiser
from fabric.core import canonical
from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError, FabricError, Malformed
from fabric.signers.hardening import drop_privileges, harden, renew_memory
from fabric.signers.pair import KeyPair
from fabric.signers.spawn import read_set_up, tell_error, tell_ready
from fabric.trust.fields import read_integer, read_object, read_text
from fabric.wire.local import Door


def main() -> int:
    """Hardens the process, reads policy and keys, serves until SIGTERM; returns the exit code."""
    try:
        folder, parent = _where()
        harden(parent)
        renew_memory()
        appraiser = _appraiser(folder)
        # The socket is opened by a relative path: without capabilities even root may not pass every folder above.
        os.chdir(folder.path)
        drop_privileges()
    except FabricError as error:
        sys.stderr.write(f"{error}\n")
        tell_error(error)
        return 2
    asyncio.run(_serve(appraiser, folder))
    return 0


def _where() -> tuple[AppraiserFolder, int]:
    parser = argparse.ArgumentParser(prog="python -m fabric.attesters.appraiser", description=__doc__)
    parser.add_argument("--folder", type=Path, help="folder with policy.json and the key files")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        return AppraiserFolder(arguments.folder), os.getppid()
    set_up = read_object(read_set_up(), frozenset({"folder", "parent"}), "appraiser set-up")
    path = read_text(set_up["folder"], "appraiser set-up.folder", 4096)
    return AppraiserFolder(Path(path)), read_integer(set_up["parent"], "appraiser set-up.parent", 1, 2**31)


def _appraiser(folder: AppraiserFolder) -> Appraiser:
    try:
        policy = parse_policy(folder.policy.read_bytes())
    except (OSError, Malformed) as error:
        message = f"appraisal policy {folder.policy}: {error}"
        raise ConfigError(message) from error
    return Appraiser(KeyPair.from_files(folder.ed25519, folder.secp256k1), policy, SystemClock())


async def _serve(appraiser: Appraiser, folder: AppraiserFolder) -> None:
    answerer, stop = Answerer(appraiser), asyncio.Event()

    async def answer(request: bytes) -> bytes:
        return canonical.encode(answerer.answer(request))

    def complain(error: Malformed) -> bytes:
        return canonical.encode({"error": {"code": error.code, "message": str(error)}})

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await Door(answer, complain, MAX_FRAME_BYTES).serve(Path(folder.socket.name))
    keys = appraiser.keys
    tell_ready({"address": keys.address.hex(), "ed25519": keys.ed25519.hex(), "pid": os.getpid()})
    await stop.wait()
    server.close()


if __name__ == "__main__":
    sys.exit(main())
