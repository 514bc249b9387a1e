"""The driver's couriers: hires the actors, carries frames with a time limit, and puts what Ray raises into codes."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Final

from fabric.core.canonical import JsonObject
from fabric.core.errors import FabricError, NoCapacity, Oversize
from fabric.runtime import courier
from fabric.runtime.failures import CourierLost, DeadlinePassed, EnclaveLost

HIRE_SECONDS: Final = 30.0
"""How long Ray may take to place a courier; a cold worker imports Ray in about two seconds."""
_RETRY_SECONDS: Final = 0.1
_RESTARTS: Final = -1
"""A courier that died is restarted by Ray, without limit: it has no state that could be lost."""


@dataclass
class _Place:
    """What is needed to hire a courier once more, and the actor that stands there now."""

    name: str
    path: str
    options: JsonObject
    actor: Any
    recovery: asyncio.Task[None] | None = None
    """Set while Ray starts the actor anew; who comes meanwhile waits, instead of being refused."""


class Couriers:
    """Couriers by number; the numbers are never used again."""

    def __init__(self) -> None:
        """Starts with none."""
        self._places: dict[int, _Place] = {}
        self._next = 1

    async def hire(self, name: str, path: str, options: JsonObject) -> int:
        """Makes a courier for the enclave at a socket and returns its number once it runs.

        Raises:
            NoCapacity: no machine has what the options ask for.
        """
        _check_possible(name, options)
        number, self._next = self._next, self._next + 1
        place = _Place(name, path, options, _actor(name, number, path, options))
        try:
            await asyncio.wait_for(_readiness(place.actor), HIRE_SECONDS)
        except TimeoutError as error:
            _kill(place.actor)
            raise NoCapacity(f"no machine has {options} free for courier {name!r}") from error
        self._places[number] = place
        return number

    def dismiss(self, number: int) -> None:
        """Ends a courier; one that is not there is no error."""
        place = self._places.pop(number, None)
        if place is not None:
            _kill(place.actor)

    async def exchange(self, number: int, frame: bytes, seconds: float) -> bytes:
        """Carries a frame and returns the enclave's answer.

        Raises:
            EnclaveLost: the enclave does not answer.
            CourierLost: the actor ended on the way; Ray starts it anew.
            DeadlinePassed: no answer in time; the exchange is given up.
        """
        place = self._places.get(number)
        if place is None:
            raise CourierLost(f"no courier {number}")
        answer = await self._carry(number, place, frame, seconds)
        if not isinstance(answer, bytes) or answer[:1] not in (courier.FRAME, courier.FAILURE):
            raise CourierLost("the courier answered with something else than bytes")
        if answer[:1] == courier.FRAME:
            return answer[1:]
        raise _failure(answer[1:], place)

    async def _carry(self, number: int, place: _Place, frame: bytes, seconds: float) -> object:
        from ray.exceptions import ActorDiedError, RayError  # noqa: PLC0415 - see head.start_head

        reference = None
        try:
            async with asyncio.timeout(seconds):
                if place.recovery is not None:
                    await asyncio.shield(place.recovery)
                reference = place.actor.exchange.remote(frame)
                answer: object = await asyncio.wrap_future(reference.future())
        except TimeoutError as error:
            if reference is not None:
                _cancel(reference)
            raise DeadlinePassed(f"courier {place.name!r}: no answer in {seconds:.3f} s") from error
        except RayError as error:
            if isinstance(error, ActorDiedError):
                # Dead for good as far as Ray is concerned: hire again under the same number.
                place.actor = _actor(place.name, number, place.path, place.options)
            if place.recovery is None:
                place.recovery = asyncio.create_task(_recover(place))
            raise CourierLost(f"courier {place.name!r}: {type(error).__name__}") from error
        return answer


def _readiness(actor: Any) -> asyncio.Future[object]:  # noqa: ANN401 - ray's handles are untyped
    return asyncio.wrap_future(actor.__ray_ready__.remote().future())


async def _recover(place: _Place) -> None:
    """Returns when the actor answers again; one that never does is the next exchange's to notice."""
    from ray.exceptions import RayError  # noqa: PLC0415 - see head.start_head

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HIRE_SECONDS):
            while True:
                try:
                    await _readiness(place.actor)
                    break
                except RayError:
                    await asyncio.sleep(_RETRY_SECONDS)
    place.recovery = None


def _check_possible(name: str, options: JsonObject) -> None:
    """Refuses at once what no machine could ever give, for which Ray would wait."""
    import ray  # noqa: PLC0415 - see head.start_head

    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    for option, resource in (("num_cpus", "CPU"), ("num_gpus", "GPU"), ("memory", "memory")):
        asked, total = options.get(option, 0), has.get(resource, 0)
        if isinstance(asked, int | float) and asked > total:
            raise NoCapacity(f"courier {name!r} asks for {asked} {resource}, the cluster has {total:g}")


def _actor(name: str, number: int, path: str, options: JsonObject) -> Any:  # noqa: ANN401 - ray's handles are untyped
    import ray  # noqa: PLC0415 - see head.start_head

    made = ray.remote(courier.Courier)
    settings: dict[str, Any] = {
        **options,
        "name": f"courier-{number}-{name}",
        "max_restarts": _RESTARTS,
        "max_task_retries": 0,  # the pool decides what is run again, and where
        "max_concurrency": courier.CONNECTIONS,
    }
    return made.options(**settings).remote(path)


def _kill(actor: Any) -> None:  # noqa: ANN401 - ray types no handle
    import ray  # noqa: PLC0415

    ray.kill(actor)


def _cancel(reference: Any) -> None:  # noqa: ANN401 - ray types no handle
    import ray  # noqa: PLC0415

    ray.cancel(reference)


def _failure(code: bytes, place: _Place) -> FabricError:
    if code == b"enclave-lost":
        return EnclaveLost(f"nothing answers at {place.path}")
    return Oversize(f"a frame has at most {courier.MAX_FRAME} bytes; run less at a time")
