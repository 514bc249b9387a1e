"""What the enclave does for whoever reaches its socket: any bytes get a reply, and the asker is not trusted."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from fabric.core.errors import FabricError, PlatformError, SandboxUnavailable
from fabric.core.model import Failure
from fabric.enclave.run import Runner
from fabric.wire.codec import (
    Describe,
    Description,
    EnclaveReply,
    EnclaveRequest,
    Evidence,
    Load,
    Loaded,
    MakeEvidence,
    Run,
    Unload,
    Unloaded,
    decode_request,
    encode_reply,
)


@dataclass(frozen=True)
class Service:
    """The enclave's operations over bytes.

    Attributes:
        runner: runs batches; also holds config, containers, signing child and bundles.
        give_up: called when the enclave can never serve again; ends the process.
    """

    runner: Runner
    give_up: Callable[[], None]

    async def answer(self, request: bytes) -> bytes:
        """Returns the reply to any bytes."""
        try:
            return encode_reply(await self._dispatch(decode_request(request)))
        except SandboxUnavailable as error:
            self.give_up()
            return complain(error)
        except FabricError as error:
            return complain(error)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must cost this request only
            sys.stderr.write(f"enclave: {error!r}\n")
            return complain(PlatformError("the enclave failed on this request; its log says how"))

    async def _dispatch(self, request: EnclaveRequest) -> EnclaveReply:
        match request:
            case Describe():
                return await self._describe()
            case MakeEvidence(nonce):
                return Evidence(await self.runner.signing.evidence(nonce))
            case Load(wheel, publication, dependencies):
                return Loaded(self.runner.shelf.load(wheel, publication, dependencies))
            case Run():
                return await self.runner.run(request)
            case Unload(measurement):
                self.runner.unload(measurement)
                return Unloaded()

    async def _describe(self) -> Description:
        identity = await self.runner.signing.describe()
        runner = self.runner
        return Description(
            identity.keys, identity.fabric, runner.containers.isolation, runner.config.epoch, os.getpid()
        )


def complain(error: FabricError) -> bytes:
    """Returns the reply that carries an error."""
    return encode_reply(Failure(error.code, str(error)))
