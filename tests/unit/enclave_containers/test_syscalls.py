import platform
import re
from pathlib import Path

import pytest

from fabric.core.errors import SandboxUnavailable
from fabric.enclave.sandbox import syscalls

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
# The generic header keeps the numbers that differ in width under another name.
GENERIC = {"newfstatat": "fstatat"}


def test_a_machine_without_a_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "sparc")
    with pytest.raises(SandboxUnavailable, match="machine 'sparc': the container's lock knows x86_64, aarch64"):
        syscalls.machine()


@pytest.mark.parametrize("machine", syscalls.MACHINES, ids=lambda machine: machine.name)
def test_no_number_stands_twice(machine: syscalls.Machine) -> None:
    numbers = [*machine.allowed(), *machine.guarded()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("machine", syscalls.MACHINES, ids=lambda machine: machine.name)
def test_numbers_are_those_of_the_kernels_headers(machine: syscalls.Machine) -> None:
    header = HEADERS[machine.name]
    if not header.exists():
        pytest.skip(f"no {header}: install the kernel's headers to compare with them")
    defined = dict(re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", header.read_text()))
    for name, row in (syscalls.ALLOWED | syscalls.GUARDED | syscalls.OWN).items():
        number = row[machine.column]
        expected = defined.get(name) or defined.get(GENERIC.get(name, ""), "-1")
        assert number == int(expected), name


def test_a_call_that_a_machine_lacks_has_no_number() -> None:
    with pytest.raises(KeyError):
        syscalls.MACHINES[1].number("stat")
