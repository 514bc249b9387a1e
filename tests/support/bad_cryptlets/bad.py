# ruff: noqa: ARG002 - the shape of a method is fixed
"""One method for each way to misbehave, and ``echo``, which must still answer after any of them."""

import contextlib
import faulthandler
import os
import signal
import sys
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from fabric.sdk import Context, Cryptlet, InvalidInput, method

_SEEN: Final[list[str]] = []  # what a cryptlet must not be able to rely on


class Note(BaseModel):
    model_config = ConfigDict(frozen=True)

    text: str = ""
    size: int = 0


class Measured(BaseModel):
    value: float


class Bad(Cryptlet):
    @method
    def echo(self, ctx: Context, note: Note) -> Note:
        return note

    @method
    def size(self, ctx: Context, data: bytes) -> Note:
        return Note(size=len(data))

    @method
    def tell(self, ctx: Context, note: Note) -> Note:
        """Gives all that a context gives, so that a test can see whether a rerun sees the same."""
        values = (ctx.invocation.hex(), ctx.as_of.isoformat(), str(ctx.random.random()), ctx.entropy(8).hex())
        return Note(text=" ".join(values), size=ctx.state_version)

    @method
    def refuse(self, ctx: Context, note: Note) -> Note:
        raise InvalidInput(f"note {note.text!r} is not to its taste")

    @method
    def fail(self, ctx: Context, note: Note) -> Note:
        raise ValueError(note.text or "it failed\x1b[2J\nand forged a line")

    @method
    def fail_long(self, ctx: Context, note: Note) -> Note:
        raise ValueError("x" * 10_000_000)

    @method
    def leave(self, ctx: Context, note: Note) -> Note:
        sys.exit(3)

    @method
    def vanish(self, ctx: Context, note: Note) -> Note:
        os._exit(0)

    @method
    def die(self, ctx: Context, note: Note) -> Note:
        os.kill(os.getpid(), signal.SIGKILL)
        return note

    @method
    def segfault(self, ctx: Context, note: Note) -> Note:
        faulthandler._read_null()  # type: ignore[attr-defined]  # a real one; raising the signal is forbidden
        return note

    @method
    def loop(self, ctx: Context, note: Note) -> Note:
        while True:
            pass

    @method
    def fork_bomb(self, ctx: Context, note: Note) -> Note:
        """Forks for ever, deaf to every signal that it may be deaf to."""
        for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(each, signal.SIG_IGN)
        while True:
            with contextlib.suppress(OSError):
                os.fork()

    @method
    def allocate(self, ctx: Context, note: Note) -> Note:
        kept = []
        while True:
            kept.append(bytearray(1 << 20))

    @method
    def recurse(self, ctx: Context, note: Note) -> Note:
        return self.recurse(ctx, note)

    @method
    def print_garbage(self, ctx: Context, note: Note) -> Note:
        """Writes to every channel that it can find, then answers properly."""
        print("\0garbage\xff" * 1000, flush=True)  # noqa: T201
        for handle in range(16):
            try:
                os.write(handle, b"\xff\xff\xff\xff garbage \0" * 100)
            except OSError:
                continue
        return note

    @method
    def wrong_type(self, ctx: Context, note: Note) -> Note:
        wrong: Any = {"text": "a mapping"}
        return wrong  # type: ignore[no-any-return]

    @method
    def wrong_field(self, ctx: Context, note: Note) -> Note:
        wrong: Any = {"text": 7, "size": "many"}
        return Note.model_construct(**wrong)

    @method
    def not_a_number(self, ctx: Context, note: Note) -> Measured:
        return Measured(value=float("nan"))

    @method
    def too_large(self, ctx: Context, note: Note) -> Note:
        return Note(size=2**53)

    @method
    def flood(self, ctx: Context, note: Note) -> Note:
        """Returns an output as large as it is told to, 64 MiB without."""
        return Note(text="x" * (note.size or 64 << 20))

    @method
    def remember(self, ctx: Context, note: Note) -> Note:
        """Gives how many calls this process has seen; a test shows what isolation that has."""
        _SEEN.append(note.text)
        return Note(size=len(_SEEN))
