"""The yardstick of the benchmarks: plain pipelined Ray actor calls, one call a result, on the same cluster."""

from typing import Any, Final

from fabric.core.clock import SystemClock

WARM_UP: Final = 200


class Echo:
    """The least that an actor can do."""

    def echo(self, data: bytes) -> bytes:
        """Returns its argument."""
        return data


def calls_per_second(calls: int) -> float:
    """Returns the rate of a number of calls that were all submitted before the first answer was read."""
    import ray  # noqa: PLC0415 - see head.start_head

    actor: Any = ray.remote(Echo).options(num_cpus=0).remote()  # ray does not type an actor's methods
    clock = SystemClock()
    ray.get([actor.echo.remote(b"") for _ in range(WARM_UP)])
    start = clock.monotonic_seconds()
    ray.get([actor.echo.remote(b"") for _ in range(calls)])
    seconds = clock.monotonic_seconds() - start
    ray.kill(actor)
    return calls / seconds
