"""Whether a message costs the same, however many there are in the store.

`python -m benchmarks.flat` writes delayed messages straight into databases, a thousand to ten millions of them, starts a broker
on each, and measures in turns what a message costs them. The largest takes some minutes to write and 9 GB of disk.
"""

import argparse
import asyncio
import json
import statistics
from contextlib import ExitStack
from pathlib import Path

from benchmarks.idle import delayed, first_job
from benchmarks.process import Broker, broker, other_core, rss_mib, scratch
from benchmarks.report import Report
from benchmarks.seed import fill
from benchmarks.throughput import measure

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
ROUNDS = 3


def main() -> None:
    """Fill, measure in turns, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="messages in the store")
    parser.add_argument("--messages", type=int, default=10_000, help="in each round")
    parser.add_argument("--folder", type=Path, help="where databases are kept, to be used again")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    core = other_core()
    costs: dict[int, list[float]] = {size: [] for size in options.sizes}
    report = Report("cost of a message by how many are in the store")
    with ExitStack() as stack:
        folder = options.folder or stack.enter_context(scratch())
        brokers: dict[int, Broker] = {}
        for size in options.sizes:
            path = folder / f"{size}.db"
            if not path.exists():
                fill(path, delayed(size))
            brokers[size] = stack.enter_context(broker(path, core))
            report.add(f"start to first accepted job, {size:,} in the store", first_job(brokers[size]), "s")
        for running in brokers.values():
            asyncio.run(measure(running, None, 3_000))
        for _ in range(ROUNDS):
            for size, running in brokers.items():
                costs[size].append(asyncio.run(measure(running, None, options.messages))["broker_cpu_us_per_message"])
        for size, running in brokers.items():
            report.add(f"memory after that load, {size:,} in the store", rss_mib(running.pid), "MiB")
    cost = {size: statistics.median(found) for size, found in costs.items()}
    for size, value in cost.items():
        report.add(f"{size:,} in the store", value, "µs of the broker")
    report.add("dearest to cheapest", max(cost.values()) / min(cost.values()), "times")
    report.print()
    if options.json:
        print(json.dumps({str(size): value for size, value in cost.items()}))


if __name__ == "__main__":
    main()
