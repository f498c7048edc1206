"""Everything due in the same second: how fast it is delivered, and whether the API still answers.

`python -m benchmarks.burst` measures a broker that takes in and delivers as fast as it can, then gives one with 100,000 delayed
messages, all due in the same second, and asks its API for small things until the last has arrived.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator

from benchmarks.idle import BODY, TENANT
from benchmarks.load import Endpoint
from benchmarks.probe import CALLS, probing
from benchmarks.process import broker, cpu_seconds, other_core, rss_mib, scratch
from benchmarks.report import Report, quantile
from benchmarks.seed import fill
from benchmarks.throughput import measure
from ringback.broker.ids import first_id_at
from ringback.broker.records import Delivery, Event, Message, Record
from ringback.broker.rules.facets import described, facets_of
from ringback.clock import now

FILL_MS = 5_000
"""Milliseconds that filling a small database and starting a broker may take."""
QUIET_MS = 1_000
"""Milliseconds that the broker must run before everything is due."""


def due_together(count: int, target: str, due: int) -> Iterator[Record]:
    """Return delayed messages to one endpoint that become due within a second."""
    at = now()
    for number in range(count):
        seq = first_id_at(at - count // 1000 + number // 1000) + number % 1000 * 2
        when = due + number * 1000 // count
        message = Message(seq, TENANT, target, "POST", (), BODY, at, when, 3, 900_000)
        yield message
        yield Delivery(seq, TENANT, due_at=when, wake_at=when)
        yield Event(seq + 1, TENANT, seq, "CREATED", at, next_at=when, facets=facets_of(message))
        if number == 0:
            yield from described(message, at)


async def burst(messages: int, report: Report, core: int | None) -> dict[str, float]:
    """Have everything become due while the API is asked, and wait until all have arrived."""
    endpoint = Endpoint(messages)
    target = await endpoint.listen()
    with scratch() as folder:
        due = now() + FILL_MS + messages // 20
        await asyncio.to_thread(fill, folder / "burst.db", due_together(messages, target, due))
        with broker(folder / "burst.db", core) as running, probing(running) as probe:
            ahead = due - now()
            if ahead < QUIET_MS:
                raise SystemExit("filling the database took too long: everything was due before the broker ran")
            before = cpu_seconds(running.pid)
            await asyncio.wait_for(endpoint.done.wait(), ahead / 1000 + 600)
            used = cpu_seconds(running.pid) - before
            probe.stop()
            memory = rss_mib(running.pid)
    endpoint.close()
    begun, ended = min(endpoint.arrived.values()), max(endpoint.arrived.values())
    during = probe.between(begun, ended)
    rate = messages / (ended - begun)
    report.add(f"{messages:,} due in one second: delivered", rate, "messages/s")
    report.add("API meanwhile, p50", quantile(during, 0.5), "ms")
    report.add("API meanwhile, p99", quantile(during, 0.99), "ms", at_most=100)
    for method, path in CALLS:
        report.add(f"{method} {path}, p99", quantile(probe.between(begun, ended, f"{method} {path}"), 0.99), "ms")
    report.add("API meanwhile, slowest", quantile(during, 1.0), "ms")
    report.add("API before, p99", quantile(probe.between(0, begun), 0.99), "ms")
    report.add("memory", memory, "MiB")
    return {
        "burst_messages_per_s": round(rate),
        "burst_cpu_us_per_message": round(used / messages * 1e6, 1),
        "api_p50_ms": round(quantile(during, 0.5), 2),
        "api_p99_ms": round(quantile(during, 0.99), 2),
        "api_slowest_ms": round(quantile(during, 1.0), 2),
        "broker_rss_mib": round(memory, 1),
    }


def main() -> None:
    """Measure the plain rate, then the burst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    report = Report("everything due in the same second")
    core = other_core()
    with scratch() as folder, broker(folder / "plain.db", core) as running:
        asyncio.run(measure(running, None, 5_000))
        plain = asyncio.run(measure(running, None, 30_000))["messages_per_s"]
    report.add("accepted and delivered, as fast as it goes", plain, "messages/s")
    result = asyncio.run(burst(options.messages, report, core))
    report.add("rate of the burst, to that", result["burst_messages_per_s"] / plain, "times", at_least=1)
    report.print()
    if options.json:
        print(json.dumps({"plain_messages_per_s": plain} | result))


if __name__ == "__main__":
    main()
