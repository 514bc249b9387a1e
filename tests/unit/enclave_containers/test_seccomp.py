"""The filter is run by an interpreter of our own, so that it is checked for machines that this one is not."""

import errno
import struct
from typing import Final

import pytest

from fabric.enclave.sandbox import seccomp
from fabric.enclave.sandbox.syscalls import MACHINES, Machine

ALLOW: Final = 0x7FFF_0000
KILL: Final = 0x8000_0000
EPERM: Final = 0x0005_0000 | errno.EPERM
ENOSYS: Final = 0x0005_0000 | errno.ENOSYS

each_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


def judged(machine: Machine, number: int, *arguments: int, audit: int | None = None, native: bool = False) -> int:
    """Runs the machine's program on one system call (classic BPF, as far as the program uses it)."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, machine.audit if audit is None else audit, 0, *padded)
    program = list(struct.iter_unpack("HBBI", seccomp.program(machine, native=native)))
    accumulator = place = 0
    while True:
        code, then, otherwise, value = program[place]
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            place += then if holds else otherwise


@each_machine
def test_exactly_the_listed_calls_are_allowed(machine: Machine) -> None:
    listed = set(machine.allowed())
    for number in range(1024):
        if number not in machine.guarded():
            assert judged(machine, number) == (ALLOW if number in listed else EPERM), number


@each_machine
@pytest.mark.parametrize("name", ["mmap", "mprotect"])
def test_memory_does_not_become_executable(machine: Machine, name: str) -> None:
    number = machine.number(name)
    assert [judged(machine, number, 0, 4096, protection) for protection in range(8)] == [ALLOW] * 4 + [EPERM] * 4


@each_machine
def test_native_code_comes_from_files_and_is_never_writable(machine: Machine) -> None:
    """Arguments of mmap: address, length, protection, flags; 0x20 is MAP_ANONYMOUS, 0x10 MAP_FIXED."""
    number = machine.number("mmap")
    for protection in range(8):
        for flags in (0x02, 0x12, 0x22, 0x01, 0x21, 0xFFFF_FFFF):
            executable, writable = protection & 4, protection & 2
            expected = EPERM if executable and (writable or flags & 0x20) else ALLOW
            assert judged(machine, number, 0, 4096, protection, flags, native=True) == expected
    protections = [judged(machine, machine.number("mprotect"), 0, 4096, each, native=True) for each in range(8)]
    assert protections == [ALLOW] * 4 + [EPERM] * 4


@each_machine
@pytest.mark.parametrize("high", [1 << 32, 4 << 32, 0x20 << 32, 0xFFFF_FFFF << 32, 0x0100_0000, 0x0200_0000])
def test_no_other_bit_hides_that_memory_would_be_code(machine: Machine, high: int) -> None:
    """The kernel's own flags are in the low words; 0x01000000 and 0x02000000 are PROT_GROWSDOWN and PROT_GROWSUP."""
    for name in ("mmap", "mprotect"):
        assert judged(machine, machine.number(name), 0, 4096, 5 | high, 0x02) == EPERM
    assert judged(machine, machine.number("mmap"), 0, 4096, 5 | high, 0x22 | high, native=True) == EPERM
    assert judged(machine, machine.number("mmap"), 0, 4096, 7 | high, 0x02 | high, native=True) == EPERM
    assert judged(machine, machine.number("mprotect"), 0, 4096, 5 | high, native=True) == EPERM


@each_machine
def test_native_code_may_ask_for_nothing_else(machine: Machine) -> None:
    for number in set(range(1024)) - {machine.number("mmap")}:
        assert judged(machine, number, 3, 1, 7, native=True) == judged(machine, number, 3, 1, 7), number


@each_machine
def test_fcntl_only_answers_questions(machine: Machine) -> None:
    number = machine.number("fcntl")
    allowed = [command for command in range(2048) if judged(machine, number, 3, command) == ALLOW]
    assert allowed == [1, 2, 3]


@each_machine
def test_nobody_waits_for_or_wakes_another_process(machine: Machine) -> None:
    """0x80 is FUTEX_PRIVATE_FLAG, 0x100 FUTEX_CLOCK_REALTIME; the kernel reads 32 bits of the operation."""
    number = machine.number("futex")
    for operation in range(0x200):
        assert judged(machine, number, 4096, operation) == (ALLOW if operation & 0x80 else EPERM), operation
    assert judged(machine, number, 4096, 0x80_0000_0001) == EPERM


@each_machine
def test_memory_is_not_merged_with_that_of_others(machine: Machine) -> None:
    """Advice: linux/mman.h; 12 is MADV_MERGEABLE, 100 and 101 poison pages, 21 to 25 populate and collapse."""
    allowed = [advice for advice in range(256) if judged(machine, machine.number("madvise"), 0, 4096, advice) == ALLOW]
    assert allowed == [0, 1, 2, 3, 4, 8, 14, 15, 16, 17]


@each_machine
def test_clone3_seems_not_to_exist(machine: Machine) -> None:
    assert judged(machine, machine.number("clone3")) == ENOSYS


@each_machine
def test_other_instruction_sets_are_killed(machine: Machine) -> None:
    number = machine.number("read")
    assert judged(machine, number, audit=0x40000003) == KILL
    assert judged(machine, number | 0x4000_0000) == KILL
