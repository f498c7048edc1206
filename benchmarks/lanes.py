"""Many lanes at once: what a message costs under one of 10,000 flow-control keys and through one of 1,000 queues.

`python -m benchmarks.lanes` publishes to one broker in turns: plainly, with keys, through queues, and with both. The first turn
is not counted: each queue and key then appears for the first time that day, and is written down. Each turn begins with messages
of its own kind that are not counted: entries of history are written some ten thousand later, and count where they belong.
"""

import argparse
import asyncio
import json
import socket
import statistics
from typing import Any

from benchmarks.process import broker, other_core, scratch
from benchmarks.report import Report
from benchmarks.throughput import measure

KEYS, QUEUES = 10_000, 1_000
ROUNDS = 3
LEAD_IN = 7_000
"""A batch of `stores.deferred` holds as many messages of three events."""


def keyed(number: int) -> str:
    """Return the headers of a message under one of the keys."""
    return f"Upstash-Flow-Control-Key: key-{number % KEYS}\r\nUpstash-Flow-Control-Value: parallelism=10, rate=1000\r\n"


def main() -> None:
    """Measure all four in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="in each round")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    core = other_core()
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        f"{KEYS:,} keys": {"headers": keyed},
        f"{QUEUES:,} queues": {"queues": QUEUES},
        "both": {"headers": keyed, "queues": QUEUES},
    }
    costs: dict[str, list[float]] = {name: [] for name in kinds}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with scratch() as folder, broker(folder / "lanes.db", core) as running:
        for _ in range(1 + ROUNDS):
            for name, more in kinds.items():
                asyncio.run(measure(running, None, LEAD_IN, port=port, **more))
                found = asyncio.run(measure(running, None, options.messages, port=port, **more))
                costs[name].append(found["broker_cpu_us_per_message"])
    cost = {name: statistics.median(all_[1:]) for name, all_ in costs.items()}
    report = Report("many lanes at once")
    for name, value in cost.items():
        report.add(f"{name}: CPU a message", value, "µs")
        if name != "plain":
            report.add(f"{name}: to that of plain messages", value / cost["plain"], "times", at_most=1.5)
    report.print()
    if options.json:
        print(json.dumps(cost))


if __name__ == "__main__":
    main()
