"""Time and entropy of the process replaced by those of the invocation, so that honest accidents repeat themselves.

No boundary: hostile code finds the machine's clock; replay and rings find who used it. ``install`` runs once, in the
zygote and before pydantic is imported, so that every module sees the same ``datetime``.
"""

import datetime as dt
import hashlib
import os
import random
import time
from collections.abc import Callable
from typing import Final, Self

from typing_extensions import override

_NANOSECONDS: Final = 1_000_000_000
_TAG: Final = b"cryptlet-fabric/container/urandom/v1\0"


class _Now:
    """The invocation that runs; the zygote itself lives in 1970 and has no entropy to give away."""

    as_of = 0
    seed = bytes(32)
    drawn = 0


_gmtime: Final = time.gmtime
_strftime: Final = time.strftime
_ctime: Final = time.ctime
_asctime: Final = time.asctime
_seed: Final = random.Random.seed


def begin(as_of: int, seed: bytes) -> None:
    """Sets time (Unix seconds) and entropy (32 bytes) for the call that starts now."""
    _Now.as_of = as_of
    _Now.seed = seed
    _Now.drawn = 0
    random.seed(int.from_bytes(seed, "big"))


def install() -> None:
    """Replaces what asks the machine for time or randomness in ``time``, ``datetime``, ``os`` and ``random``."""
    for name, function in _TIME.items():
        setattr(time, name, function)
    for replacement, original in _REPLACED.items():
        replacement.__name__ = replacement.__qualname__ = original.__name__
        replacement.__module__ = original.__module__
    dt.datetime = Datetime  # type: ignore[misc]
    dt.date = Date  # type: ignore[misc]
    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]  # noqa: SLF001 - what SystemRandom and secrets draw from
    random.Random.seed = _seeded  # type: ignore[method-assign]
    random.seed = random._inst.seed  # noqa: SLF001


def urandom(size: int, /) -> bytes:
    """Returns the next bytes of the call's entropy, in place of ``os.urandom``."""
    number = _Now.drawn.to_bytes(8, "big")
    _Now.drawn += 1
    return hashlib.shake_256(_TAG + _Now.seed + number).digest(size)


class _AnyDate(type):
    """Lets a value that C code made, such as pydantic's, pass for an instance of the replacement."""

    @override
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _REPLACED[cls]) if cls in _REPLACED else type.__instancecheck__(cls, value)

    @override
    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _REPLACED[cls]) if cls in _REPLACED else type.__subclasscheck__(cls, other)


class Date(dt.date, metaclass=_AnyDate):
    """``datetime.date`` whose today is the invocation's."""

    @classmethod
    @override
    def today(cls) -> Self:
        """Returns the day of the invocation, UTC."""
        return cls.fromtimestamp(_Now.as_of)


class Datetime(dt.datetime, metaclass=_AnyDate):
    """``datetime.datetime`` whose now is the invocation's."""

    @classmethod
    @override
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        """Returns the invocation's time; without a zone, in UTC."""
        return cls.fromtimestamp(_Now.as_of, tz)

    @classmethod
    @override
    def utcnow(cls) -> Self:
        """Returns the invocation's time in UTC, without a zone."""
        return cls.fromtimestamp(_Now.as_of)

    @classmethod
    @override
    def today(cls) -> Self:
        """Returns the invocation's time in UTC, without a zone."""
        return cls.fromtimestamp(_Now.as_of)


_REPLACED: Final[dict[type, type]] = {replacement: replacement.__mro__[1] for replacement in (Date, Datetime)}


def _seeded(self: random.Random, a: object = None, version: int = 2) -> None:
    # Without a seed the C code would ask the kernel, be refused, and take time and process id instead.
    _seed(self, urandom(32) if a is None else a, version)  # type: ignore[arg-type]


def _or_now(function: Callable[[float], object]) -> Callable[..., object]:
    def replacement(seconds: float | None = None, /) -> object:
        return function(_Now.as_of if seconds is None else seconds)

    return replacement


def _strftime_now(pattern: str, moment: time.struct_time | None = None, /) -> str:
    return _strftime(pattern, _gmtime(_Now.as_of) if moment is None else moment)


def _asctime_now(moment: time.struct_time | None = None, /) -> str:
    return _asctime(_gmtime(_Now.as_of) if moment is None else moment)


# A stopwatch that stands still: it cannot show how fast this machine is.
_STOPWATCHES: Final = ("monotonic", "perf_counter", "process_time", "thread_time")
_TIME: Final[dict[str, Callable[..., object]]] = {
    "time": lambda: float(_Now.as_of),
    "time_ns": lambda: _Now.as_of * _NANOSECONDS,
    "clock_gettime": lambda _clock: float(_Now.as_of),
    "clock_gettime_ns": lambda _clock: _Now.as_of * _NANOSECONDS,
    "gmtime": _or_now(_gmtime),
    "localtime": _or_now(_gmtime),
    "ctime": _or_now(_ctime),
    "asctime": _asctime_now,
    "strftime": _strftime_now,
    **{name: lambda: 0.0 for name in _STOPWATCHES},
    **{f"{name}_ns": lambda: 0 for name in _STOPWATCHES},
}
