"""A cryptlet that does not behave."""

# ruff: noqa: ARG002, TID251

import contextlib
import ctypes
import os
import re
import signal
import sys
import threading
import time

from pydantic import BaseModel

from fabric.sdk import Context, Cryptlet, method

CHANNEL = 3
hoard: list[bytearray] = []


class Number(BaseModel):
    n: int


class Text(BaseModel):
    text: str


def nonce() -> bytes:
    """Finds the nonce of the request that is being served in the memory of this process."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if "nonce" in frame.f_locals and "tasks" in frame.f_locals:
            return bytes(frame.f_locals["nonce"])
    raise LookupError


def frame(index: int, payload: bytes, number: bytes) -> bytes:
    body = number + index.to_bytes(4, "big") + b"\0" + payload
    return len(body).to_bytes(4, "big") + body


class Hostile(Cryptlet):
    @method
    def echo(self, ctx: Context, number: Number) -> Number:
        return number

    @method
    def loop(self, ctx: Context, number: Number) -> Number:
        while True:
            pass

    @method
    def loop_in_c(self, ctx: Context, number: Number) -> Number:
        return Number(n=len(re.findall("(a*)*b", "a" * 60)))

    @method
    def sleep(self, ctx: Context, number: Number) -> Number:
        time.sleep(3600)
        return number

    @method
    def fork_bomb(self, ctx: Context, number: Number) -> Number:
        """Forks for ever, by every way there is; counts what it got."""
        born = 0
        while True:
            for fork in (os.fork, os.forkpty, ctypes.CDLL(None).vfork):
                try:
                    born += fork() != 0
                except OSError:
                    continue

    @method
    def thread_bomb(self, ctx: Context, number: Number) -> Number:
        while True:
            try:
                threading.Thread(target=time.sleep, args=(3600,)).start()
            except (RuntimeError, MemoryError):
                continue

    @method
    def stay(self, ctx: Context, number: Number) -> Number:
        """Ignores every signal that can be ignored, and loops; with a number, it sleeps instead."""
        for each in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(each, signal.SIG_IGN)
            with contextlib.suppress(OSError, ValueError):
                signal.pthread_sigmask(signal.SIG_BLOCK, [each])
        while True:
            with contextlib.suppress(BaseException):
                while True:
                    time.sleep(3600 if number.n else 0)

    @method
    def allocate(self, ctx: Context, number: Number) -> Number:
        while True:
            hoard.append(bytearray(1 << 20))

    @method
    def raise_error(self, ctx: Context, number: Number) -> Number:
        raise RuntimeError("as I like")

    @method
    def raise_exit(self, ctx: Context, number: Number) -> Number:
        sys.exit(0)

    @method
    def raise_interrupt(self, ctx: Context, number: Number) -> Number:
        raise KeyboardInterrupt

    @method
    def recurse(self, ctx: Context, number: Number) -> Number:
        return self.recurse(ctx, number)

    @method
    def leave(self, ctx: Context, number: Number) -> Number:
        os._exit(0)

    @method
    def crash(self, ctx: Context, number: Number) -> Number:
        return Number(n=len(ctypes.string_at(1)))

    @method
    def huge(self, ctx: Context, number: Number) -> Text:
        return Text(text="x" * (4 << 20))

    @method
    def print_garbage(self, ctx: Context, number: Number) -> Number:
        for stream in (sys.stdout, sys.stderr):
            stream.write("\x1b[2J garbage " * 100_000)
            stream.flush()
        return number

    @method
    def flood(self, ctx: Context, number: Number) -> Number:
        while True:
            os.write(CHANNEL, b"\xff" * 65536)

    @method
    def announce_much(self, ctx: Context, number: Number) -> Number:
        os.write(CHANNEL, b"\xff\xff\xff\xff")
        time.sleep(3600)
        return number

    @method
    def guess(self, ctx: Context, number: Number) -> Number:
        """Answers with a nonce that nobody gave it."""
        os.write(CHANNEL, frame(0, b'{"n":1}', bytes(16)))
        return number

    @method
    def answer_for_others(self, ctx: Context, number: Number) -> Number:
        """Finds the nonce, and answers itself and all calls behind it."""
        for index in range(number.n):
            os.write(CHANNEL, frame(index, b'{"n":666}', nonce()))
        os._exit(0)

    @method
    def answer_garbage(self, ctx: Context, number: Number) -> Number:
        os.write(CHANNEL, frame(0, b'{"n":1,"n":2}', nonce()))
        return number

    @method
    def close_channel(self, ctx: Context, number: Number) -> Number:
        os.close(CHANNEL)
        return number

    @method
    def replace_platform(self, ctx: Context, number: Number) -> Number:
        """Breaks whatever it finds in its own process."""
        frames = sys.modules["fabric.enclave.sandbox.frames"]
        vars(frames)["encode_reply"] = lambda *_: b"nonsense" * 10
        return number
