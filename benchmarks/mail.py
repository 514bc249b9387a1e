"""Messages between the native ledger and Ethereum: how late, how many, for how much gas. A process of its own sends.

``python -m benchmarks.mail latency|rate|gas STATE RELAY``.
"""

import asyncio
import json
import statistics
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.post import CLOCK, ETHEREUM, NATIVE, Post, Seen, place, post
from benchmarks.running import Bench, client
from fabric.client import MessageTrace
from fabric.core.ids import InvocationId, Measurement, parse_word

ROUNDS: Final = 6
"""Messages of each direction, one at a time, whose latency is taken."""
MANY: Final = 256
"""Messages of each direction that travel together."""
BATCH: Final = 64
BLOCK_SECONDS: Final = {NATIVE: 0.0, ETHEREUM: 1.0}
"""Time of a block on the development ledgers; an entry of the native ledger is there at once."""
ROUTES: Final = ((NATIVE, ETHEREUM), (ETHEREUM, NATIVE))


async def latency(own: Post) -> dict[str, float]:
    """Returns how long after source finality and one destination block a message is delivered, seconds at p50."""
    seen = {NATIVE: Seen(own.last_entry), ETHEREUM: Seen(own.head)}
    channel = own.channel(1)
    await own.join(channel)
    clocks = [asyncio.ensure_future(one.run()) for one in seen.values()]
    finality = {NATIVE: 0, ETHEREUM: int(str(own.endpoint.ledgers[ETHEREUM].settings["finality"]))}
    later: dict[str, list[float]] = {f"{here} to {there}": [] for here, there in ROUTES}
    begin = CLOCK.monotonic_seconds()
    for number in range(ROUNDS):
        for here, there in ROUTES:
            # Not always at the same moment of a block.
            await asyncio.sleep(number / ROUNDS)
            (trace,) = await own.ended(await own.send(channel, here))
            final = seen[here].at[place(trace, "sent") + finality[here]]
            delivered = seen[there].at[place(trace, "delivered")]
            later[f"{here} to {there}"].append(delivered - final - BLOCK_SECONDS[there])
    alone = (CLOCK.monotonic_seconds() - begin - sum(range(ROUNDS)) * len(ROUTES) / ROUNDS) / (len(ROUTES) * ROUNDS)
    for clock in clocks:
        clock.cancel()
        with suppress(asyncio.CancelledError):
            await clock
    return {route: statistics.median(times) for route, times in later.items()} | {"rate": 1 / alone}


async def rate(own: Post) -> dict[str, float]:
    """Returns messages a second, from the first that is sent until all are acknowledged, both directions at once."""
    channel = own.channel(2)
    await own.join(channel)
    begin = CLOCK.monotonic_seconds()
    sent = await asyncio.gather(*(own.send(channel, here, MANY) for here, _ in ROUTES))
    await own.ended([])
    return {"rate": sum(map(len, sent)) / (CLOCK.monotonic_seconds() - begin)}


async def gas(own: Post) -> dict[str, float]:
    """Returns gas on Ethereum: of a delivery and of an acknowledgement, alone and of a batch, settlement shared."""
    found: dict[str, float] = {}
    for number, count in enumerate((1, BATCH), 3):
        for here, there in ROUTES:
            channel = own.channel(16 * number + (here == NATIVE))
            await own.open(channel, here)
            sent = await own.send(channel, here, count)
            # They wait for the other end, so that they travel together.
            await own.known()
            await own.open(channel, there)
            step = "delivering" if there == ETHEREUM else "acknowledging"
            found[f"{step} {count}"] = await _gas_of(own, await own.ended(sent), step)
    return found


async def _gas_of(own: Post, traces: list[MessageTrace], state: str) -> float:
    """Returns gas a message: of each batch's settlement its share, and of the call of the mailbox all."""
    invocations = [
        next(step.invocation for step in one.steps if step.state == state and step.invocation) for one in traces
    ]
    results = [await own.client.result(InvocationId(name)) for name in invocations]
    anchors = [anchor for result in results for anchor in result.anchors]
    sizes = Counter(anchor.locator for anchor in anchors)
    settled = sum([await own.gas(locator) for locator in sizes])
    consumed = sum([await own.gas(anchor.consumption_locator) for anchor in anchors])
    return (settled + consumed) / len(traces)


async def measure(bench: Bench) -> list[Figure]:
    """Returns all figures of messages."""
    found = {
        name: await client(name, str(bench.state), bench.relay.hex(), module="mail")
        for name in ("latency", "rate", "gas")
    }
    late = [
        Figure(
            f"message {here} to {there}, over finality + a block, p50",
            found["latency"][f"{here} to {there}"] * 1e3,
            "ms",
            None,
            "<= 250 ms",
        )
        for here, there in ROUTES
    ]
    rates = Figure(
        f"messages/s, {MANY} each way at once, vs one at a time",
        *(found["rate"]["rate"], "/s", found["latency"]["rate"], "stated"),
        limit="from the first sent to the last acknowledged: Ethereum's finality is waited for twice",
    )
    return [*late, rates, *_gas_figures(found["gas"])]


def _gas_figures(found: Mapping[str, float]) -> list[Figure]:
    words = {"delivering": "delivered", "acknowledging": "acknowledged"}
    return [
        Figure(f"gas per message {word}, batch of {count}", found[f"{step} {count}"], "", alone, bar)
        for step, word in words.items()
        for count, alone, bar in ((1, None, "stated"), (BATCH, found[f"{step} 1"], "falling"))
    ]


def main() -> None:
    """Measures what the arguments name and prints it."""
    kind, state, relay = sys.argv[1:]
    what = {"latency": latency, "rate": rate, "gas": gas}[kind]

    async def run() -> dict[str, float]:
        async with post(Path(state), Measurement(parse_word(relay, "relay"))) as own:
            return await what(own)

    print(json.dumps(asyncio.run(run())))


if __name__ == "__main__":
    main()
