"""What a broker costs that has nothing to do, how soon it takes its first job, and what a million delayed messages cost it.

`python -m benchmarks.idle` measures an empty broker, then writes 1,000,000 delayed messages straight into a database, starts a
broker on it, and compares its throughput with that of the empty one.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.process import Broker, broker, cpu_seconds, rss_mib, scratch
from benchmarks.report import Report
from benchmarks.seed import fill
from benchmarks.throughput import measure
from ringback.broker.ids import first_id_at
from ringback.broker.records import Delivery, Event, Message, Record
from ringback.broker.rules.facets import described, facets_of
from ringback.broker.settings import DEVELOPMENT_TENANTS
from ringback.clock import now

TENANT = DEVELOPMENT_TENANTS[0].name
BODY = b'{"note": "' + b"x" * 280 + b'"}'


def delayed(count: int) -> Iterator[Record]:
    """Return messages that are due tomorrow, spread over a day."""
    at = now()
    for number in range(count):
        due = at + 86_400_000 + number * 86
        seq = first_id_at(at - count // 1000 + number // 1000) + number % 1000 * 2
        message = Message(seq, TENANT, "http://127.0.0.1:9/hook", "POST", (), BODY, at, due, 3, 900_000)
        yield message
        yield Delivery(seq, TENANT, due_at=due, wake_at=due)
        yield Event(seq + 1, TENANT, seq, "CREATED", at, next_at=due, facets=facets_of(message))
        if number == 0:
            yield from described(message, at)


def first_job(running: Broker) -> float:
    """Return the seconds from the start of the process to the acknowledgement of a first message."""
    begun = time.perf_counter()
    target = f"{running.url}/v2/publish/http://127.0.0.1:9/hook"
    httpx.post(target, headers=running.headers | {"Upstash-Delay": "1d"}).raise_for_status()
    return running.started_in + time.perf_counter() - begun


def measure_idle(report: Report, path: Path, seconds: int) -> None:
    """Start an empty broker and leave it alone."""
    with broker(path) as running:
        report.add("start to first accepted job", first_job(running), "s", at_most=0.5)
        time.sleep(2)
        before = cpu_seconds(running.pid)
        time.sleep(seconds)
        used = (cpu_seconds(running.pid) - before) / seconds * 100
        report.add("processor while idle", used, "% of a core", at_most=1)
        report.add("memory while idle", rss_mib(running.pid), "MiB", at_most=80)


def main() -> None:
    """Measure idle, then delayed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="delayed messages")
    parser.add_argument("--seconds", type=int, default=20, help="how long to look at an idle broker")
    options = parser.parse_args()
    report = Report("idle, and a million delayed messages")
    with scratch() as folder:
        measure_idle(report, folder / "empty.db", options.seconds)
        fill(folder / "delayed.db", delayed(options.messages))
        with broker(folder / "flow.db", 1) as empty, broker(folder / "delayed.db", 1) as full:
            report.add(f"start to first accepted job, {options.messages:,} delayed", first_job(full), "s", at_most=2)
            costs: dict[str, list[float]] = {"empty": [], "full": []}
            for _ in range(3):  # in turns, because other work on the machine changes
                for name, running in (("empty", empty), ("full", full)):
                    costs[name].append(asyncio.run(measure(running, None, 10_000))["broker_cpu_us_per_message"])
            report.add("CPU a message, nothing delayed", min(costs["empty"]), "µs")
            ratio = min(costs["full"]) / min(costs["empty"])
            report.add("CPU a message with them, to that without", ratio, "times", at_most=1.2)
            report.add("memory with them, after that load", rss_mib(full.pid), "MiB", at_most=150)
    report.print()


if __name__ == "__main__":
    main()
