"""The signing child's process: a fork of the non-dumpable enclave, made before the enclave has threads.

A fork, not an exec: its memory is never dumpable, not even for an instant.
"""

import os
import socket
import sys
from collections.abc import Mapping
from typing import Final, NoReturn

from fabric.attesters.software import SoftwareAttester
from fabric.core.errors import FabricError, Malformed
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.measure import fabric_measurement
from fabric.enclave.signing.protocol import (
    MAX_FRAME_BYTES,
    OK,
    REFUSED,
    Operation,
    read_batches,
    split_words,
    write_identity,
    write_signed,
)
from fabric.enclave.signing.vault import Vault
from fabric.signers.hardening import drop_privileges, harden
from fabric.wire.frames import frame, receive

MAX_INVOCATIONS: Final = 1024


def fork_signing_child(config: EnclaveConfig) -> tuple[socket.socket, int]:
    """Forks the signing child; returns the enclave's end of its socket, and a handle (pidfd) on the child.

    Call it once, in a hardened process that has no threads yet.
    """
    ours, theirs = socket.socketpair()
    enclave = os.getpid()
    child = os.fork()
    if child == 0:
        ours.close()
        _run(theirs, config, enclave)
    theirs.close()
    return ours, os.pidfd_open(child)


def answer(vault: Vault, request: bytes) -> bytes:
    """Returns the reply to a request; any bytes get one."""
    try:
        return OK + _dispatch(vault, request)
    except FabricError as error:
        return REFUSED + str(error).encode(errors="backslashreplace")


def _dispatch(vault: Vault, request: bytes) -> bytes:
    operation, body = request[:1], request[1:]
    if operation == _BYTES[Operation.DESCRIBE] and not body:
        return write_identity(vault.describe())
    if operation == _BYTES[Operation.BEGIN]:
        vault.begin(body.decode("ascii", "replace"))
        return b""
    if operation == _BYTES[Operation.EVIDENCE]:
        return vault.evidence(body)
    if operation == _BYTES[Operation.ENTROPY]:
        return b"".join(vault.entropy(_invocations(body)))
    if operation == _BYTES[Operation.SIGN]:
        return write_signed(vault.sign(read_batches(body)))
    raise Malformed("signing request", "no operation of the signing child")


def _invocations(body: bytes) -> list[bytes]:
    words = split_words(body)
    if len(words) > MAX_INVOCATIONS:
        raise Malformed("signing request", f"at most {MAX_INVOCATIONS} invocations, got {len(words)}")
    return words


_BYTES: Final[Mapping[Operation, bytes]] = {operation: bytes([operation]) for operation in Operation}


def _run(stream: socket.socket, config: EnclaveConfig, enclave: int) -> NoReturn:
    """The child's life; it never returns into the enclave's code."""
    code = 1
    try:
        _keep_only(stream)
        harden(enclave)
        attester, fabric = SoftwareAttester.from_file(config.attester_key), fabric_measurement()
        drop_privileges()
        harden(enclave)  # a change of capabilities may take the bonds back
        _serve(stream, Vault(config, attester, fabric))
        code = 0
    except FabricError as error:
        sys.stderr.write(f"signing child: {error}\n")
        _explain(stream, error)
    except BaseException as error:  # noqa: BLE001 - a traceback could hold key material
        sys.stderr.write(f"signing child: {type(error).__name__}\n")
    finally:
        os._exit(code)


def _serve(stream: socket.socket, vault: Vault) -> None:
    while (request := receive(stream, MAX_FRAME_BYTES)) is not None:
        stream.sendall(frame(answer(vault, request)))


def _explain(stream: socket.socket, error: FabricError) -> None:
    """Answers the first request with why there will be no other; a closed socket would not say it."""
    if receive(stream, MAX_FRAME_BYTES) is not None:
        stream.sendall(frame(REFUSED + str(error).encode(errors="backslashreplace")))


def _keep_only(stream: socket.socket) -> None:
    """Closes every descriptor that was inherited but standard error and the socket."""
    os.closerange(0, 2)
    os.closerange(3, stream.fileno())
    os.closerange(stream.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
