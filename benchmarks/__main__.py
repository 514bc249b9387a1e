"""``make bench``: every figure in one run."""

import asyncio
import tempfile
from pathlib import Path

from benchmarks import channel, mail, market, small, throughput
from benchmarks.figures import Figure, show
from benchmarks.running import PROJECT, bench


async def _all(folder: Path) -> list[Figure]:
    figures = [
        await small.start_of("--help", "<= 200 ms"),
        await small.start_of("--version", "<= 100 ms"),
        await small.run_of(PROJECT),
        *small.gas_of_consuming(),
    ]
    async with bench(folder) as running:
        figures += await throughput.measure(running)
        figures += await small.verification(running)
        figures += await small.gas_of_anchoring(running)
        figures += await mail.measure(running)
    figures += await channel.measure(folder / "hyperledger")
    figures += await market.measure(folder / "market")
    wheel = next((folder / "dist" / PROJECT.name).glob("*.whl"))
    return [*figures, await small.cold_container(wheel, wheel.read_bytes())]


def main() -> None:
    """Measures in a temporary folder and prints the table."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        figures = asyncio.run(_all(Path(folder)))
    show(figures, Path(".state") / "bench.json")


if __name__ == "__main__":
    main()
