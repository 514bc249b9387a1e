"""What the enclave gives to the containers and gets back."""

from dataclasses import dataclass
from pathlib import Path

from fabric.core.model import Failure


@dataclass(frozen=True, slots=True)
class Bundle:
    """A measured bundle, ready to run.

    Attributes:
        measurement: its identity, 32 bytes; checked against the file by whoever made this value.
        wheel: file with the bundle's wheel, and behind it those that it stands on, in the order of its lock.
        entry: ``module:Class`` of the cryptlet.
        sizes: length of each of them in bytes; empty where the file is one wheel alone.
        unpacked: places in ``sizes`` of the binary wheels, which a binding has to grant.
    """

    measurement: bytes
    wheel: Path
    entry: str
    sizes: tuple[int, ...] = ()
    unpacked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a cryptlet's method.

    Attributes:
        invocation: id of the invocation, 32 bytes.
        method: name of the method.
        input: canonical JSON, or a raw file where the method takes one.
        as_of: time of the invocation, Unix seconds.
        state_version: version of the contract's state, 0 where there is none.
        seed: decides all entropy of the call, 32 bytes.
        deadline_ms: longest run time in milliseconds, sending included.
    """

    invocation: bytes
    method: str
    input: bytes
    as_of: int
    state_version: int
    seed: bytes
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a call: exactly one of both.

    Attributes:
        output: canonical JSON, None on failure.
        failure: None on success.
    """

    output: bytes | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a container may use.

    Attributes:
        input_bytes: longest input of a call.
        output_bytes: longest output of a call.
        memory_bytes: address space of a container, the interpreter's own included.
        bundle_bytes: largest bundle, its dependencies included; each container holds a copy.
        load_ms: longest time from the fork to the loaded cryptlet, in milliseconds.
        batch_ms: time after which no further call of a batch is begun, in milliseconds.
        calls: calls after which a container is replaced.
        containers: containers that are kept warm, over all cryptlets and tenants.
    """

    input_bytes: int = 1 << 20
    output_bytes: int = 1 << 20
    memory_bytes: int = 512 << 20
    bundle_bytes: int = 32 << 20
    load_ms: int = 10_000
    batch_ms: int = 20_000
    calls: int = 10_000
    containers: int = 32
