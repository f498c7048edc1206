"""Accepting alone: how many delayed messages a second a broker takes in, one by one and in batches of a hundred.

`python -m benchmarks.accept` publishes messages that are due tomorrow, in turns of single requests and of batches, and compares
what a message costs the broker.
"""

import argparse
import asyncio
import json
import statistics
import time

from benchmarks.load import Run
from benchmarks.process import Broker, broker, cpu_seconds, other_core, scratch
from benchmarks.report import Report

ROUNDS = 3


async def accept(running: Broker, messages: int, batch: int, connections: int) -> tuple[float, float]:
    """Return messages a second, and µs of the broker's processor for each."""
    run = Run(running.url, running.token, "http://127.0.0.1:9/hook", messages, None, batch, lambda _: "", "1d")
    before, begun = cpu_seconds(running.pid), time.perf_counter()
    await run.begin(connections)
    async with asyncio.timeout(300):
        while len(run.accepted) < messages:
            await asyncio.sleep(0.005)
    took = time.perf_counter() - begun
    return messages / took, (cpu_seconds(running.pid) - before) / messages * 1e6


def main() -> None:
    """Measure both in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="in each round")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    core = other_core()
    found: dict[int, list[tuple[float, float]]] = {1: [], 100: []}
    with scratch() as folder, broker(folder / "accept.db", core) as running:
        asyncio.run(accept(running, 2_000, 1, 64))
        for _ in range(ROUNDS):
            for batch, connections in ((1, 64), (100, 8)):
                found[batch].append(asyncio.run(accept(running, options.messages, batch, connections)))
    rate = {batch: statistics.median(one for one, _ in all_) for batch, all_ in found.items()}
    cost = {batch: statistics.median(one for _, one in all_) for batch, all_ in found.items()}
    report = Report("accepting alone")
    report.add("one message a request", rate[1], "messages/s")
    report.add("CPU a message", cost[1], "µs")
    report.add("batches of 100", rate[100], "messages/s")
    report.add("CPU a message in them", cost[100], "µs")
    report.add("rate of batches, to that of single requests", rate[100] / rate[1], "times", at_least=2)
    report.add("CPU of single requests, to that of batches", cost[1] / cost[100], "times")
    report.print()
    if options.json:
        print(
            json.dumps(
                {
                    "single_per_s": round(rate[1]),
                    "batch_per_s": round(rate[100]),
                    "single_cpu_us": round(cost[1], 1),
                    "batch_cpu_us": round(cost[100], 1),
                }
            )
        )


if __name__ == "__main__":
    main()
