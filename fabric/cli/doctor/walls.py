"""The walls: what the sandbox of a container and the jail of Ray need of the kernel, each tried for real."""

import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fabric.core.clock import Clock
from fabric.core.errors import PlatformError, SandboxUnavailable
from fabric.core.finding import Finding, fail, ok, warn
from fabric.enclave.containers.host import ISOLATION, ContainerHost
from fabric.enclave.containers.model import Limits
from fabric.enclave.sandbox import kernel, landlock

_NAMESPACES: Final = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC
)
_ALLOW: Final = (
    "allow user namespaces: sysctl user.max_user_namespaces above 0, on Debian kernel.unprivileged_userns_clone=1, on "
    "Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; in an image, a seccomp profile that permits unshare"
)
_ADDRESS: Final = "RAY_ADDRESS"


def namespaces(unshare: Callable[[int], None] = kernel.unshare) -> list[Finding]:
    """Makes the namespaces of a container, in a child that ends at once."""
    number = _in_child(lambda: unshare(_NAMESPACES))
    if number:
        return [fail("namespaces", f"a user namespace cannot be made: {os.strerror(number)}", _ALLOW)]
    return [ok("namespaces", "user, mount, process, network and IPC namespaces can be made")]


def landlock_and_seccomp(
    version: Callable[[], int] = landlock.abi, status: Path = Path("/proc/self/status")
) -> list[Finding]:
    """Asks the kernel for Landlock and for seccomp filters."""
    found = []
    try:
        found.append(ok("landlock", f"version {version()}"))
    except SandboxUnavailable as error:
        said, _, fix = str(error).partition("; ")
        found.append(fail("landlock", said, fix))
    if any(line.startswith("Seccomp_filters:") for line in status.read_text().splitlines()):
        return [*found, ok("seccomp", "filters can be set")]
    fix = "run a kernel with CONFIG_SECCOMP_FILTER=y, Linux 5.13 or newer"
    return [*found, fail("seccomp", "the kernel has no seccomp filters", fix)]


async def sandbox(clock: Clock) -> list[Finding]:
    """Starts the containers as an enclave does: with every attack of the self-test."""
    begin = clock.monotonic_seconds()
    with TemporaryDirectory(prefix="cryptlet-doctor-", ignore_cleanup_errors=True) as folder:
        try:
            host = await ContainerHost.start(Path(folder), Limits(), clock)
        except SandboxUnavailable as error:
            said, _, fix = str(error).partition("; ")
            return [fail("sandbox", said, fix or "look at the rows above; nothing is served without the sandbox")]
        await host.aclose()
    seconds = clock.monotonic_seconds() - begin
    return [ok("sandbox", f"{ISOLATION}: no attack of the self-test got through, {seconds:.1f} s")]


async def ray() -> list[Finding]:
    """Starts Ray in its jail and tries its token: with it, with a wrong one, and without."""
    from fabric.runtime.trial import try_ray

    if find_spec("ray") is None:
        return [fail("ray", f"Ray is not installed beside {sys.executable}", "run: pip install 'ray>=2.60'")]
    with TemporaryDirectory(prefix="cryptlet-doctor-", ignore_cleanup_errors=True) as folder:
        try:
            trial = await try_ray(Path(folder))
        except SandboxUnavailable as error:
            fix = f"{_ALLOW}; or set allow_unjailed_ray = true and accept that code in Ray can read the fabric's keys"
            return [fail("ray", str(error), fix)]
        except PlatformError as error:
            fix = "free memory and disk, and see that `python -c 'import ray'` works"
            return [fail("ray", str(error), fix)]
    started = ok("ray", f"Ray {trial.version} starts in its jail")
    answers = f"without a token {trial.without}, with a wrong one {trial.wrong}, with its own {trial.right}"
    if trial.is_closed:
        return [started, ok("ray token", answers)]
    return [started, fail("ray token", answers, "install the Ray that requirements.lock names, which checks its token")]


def cluster(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Tries our token on the Ray cluster that the environment names, if it names one."""
    from fabric.runtime.token import Answer, ask, own_token

    address = environ.get(_ADDRESS, "").removeprefix("ray://")
    if not address:
        return []
    token = own_token(environ)
    answer = ask(address, token)
    if answer is Answer.SILENT:
        fix = f"start it with `ray start --head`, or correct {_ADDRESS}"
        return [fail("ray cluster", f"nothing answers at {address}", fix)]
    if answer is Answer.REFUSED:
        said = f"{address} refuses {'our token' if token else 'us without a token'}"
        return [fail("ray cluster", said, "set RAY_AUTH_TOKEN, or ~/.ray/auth_token, to the token of its head")]
    if ask(address, None) is Answer.ANSWERED:
        fix = "start every node of it with RAY_AUTH_MODE=token: whoever reaches it can run code in it"
        return [warn("ray cluster", f"{address} answers without a token too", fix)]
    return [ok("ray cluster", f"{address} takes our token and nothing else")]


def _in_child(work: Callable[[], None]) -> int:
    """Returns 0, or the number of the error that work raises in a child of this process."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
