"""Canceling a million waiting messages with one call: how long it takes, and whether anything else has to wait for it.

`python -m benchmarks.bulk_cancel` writes 1,000,000 delayed messages straight into a database and starts a broker on it. It
cancels by a filter that fits none, then by one that fits all, and asks the API for small things all the while. Then it deletes a
queue that as many wait in.
"""

import argparse
import json
import time
from collections.abc import Iterator

import httpx
from msgspec.structs import replace

from benchmarks.idle import TENANT, delayed
from benchmarks.probe import probing
from benchmarks.process import Broker, broker, other_core, rss_mib, scratch
from benchmarks.report import Report, quantile
from benchmarks.seed import fill
from ringback.broker.records import Delivery, Message, Record
from ringback.broker.rules.lanes import new_queue
from ringback.clock import now

LONGEST = 600
"""Seconds after which a cancel is given up."""


def cancel(running: Broker, filter_: str) -> int:
    """Cancel what a filter chooses; return how many the broker says it were, once all are."""
    end = time.perf_counter() + LONGEST
    url = f"{running.url}/v2"
    with httpx.Client(headers=running.headers, timeout=LONGEST) as http:
        answer = http.delete(f"{url}/messages?{filter_}&async=true").raise_for_status().json()
        action = f"{url}/bulkActions/{answer['actionId']}"
        while (told := http.get(action).raise_for_status().json())["state"] != "FINISHED":
            if time.perf_counter() > end:
                raise SystemExit(f"not finished after {LONGEST} s: {told}")
            time.sleep(0.5)
    return int(told["processed"])


def queued(count: int) -> Iterator[Record]:
    """Return messages that wait in a queue."""
    yield new_queue(TENANT, "q", now())
    for record in delayed(count):
        yield replace(record, queue="q") if isinstance(record, Message | Delivery) else record


def delete_queue(running: Broker) -> None:
    """Delete the queue, and wait until nothing of it is left: an answer comes within a minute in any case."""
    with httpx.Client(headers=running.headers, timeout=LONGEST) as http:
        took = 60.0
        while took > 30:
            begun = time.perf_counter()
            http.delete(f"{running.url}/v2/queues/q").raise_for_status()
            took = time.perf_counter() - begun


def measure_queue(messages: int, report: Report, core: int | None) -> dict[str, float]:
    """Delete a queue."""
    with scratch() as folder:
        fill(folder / "queued.db", queued(messages))
        with broker(folder / "queued.db", core) as running, probing(running) as probe:
            time.sleep(5)
            begun = time.perf_counter()
            delete_queue(running)
            ended = time.perf_counter()
            probe.stop()
    answers = probe.between(begun, ended)
    report.add("a queue deleted: took", ended - begun, "s")
    report.add("a queue deleted: API meanwhile, p99", quantile(answers, 0.99), "ms", at_most=100)
    report.add("a queue deleted: API meanwhile, slowest", quantile(answers, 1.0), "ms")
    slowest = round(quantile(answers, 1.0), 2)
    return {"queue_deleted_s": round(ended - begun, 1), "queue_api_slowest_ms": slowest}


def measure(messages: int, report: Report, core: int | None) -> dict[str, float]:
    """Cancel nothing, then everything."""
    result: dict[str, float] = {}
    with scratch() as folder:
        fill(folder / "pending.db", delayed(messages))
        with broker(folder / "pending.db", core) as running, probing(running) as probe:
            time.sleep(5)
            begun = time.perf_counter()
            spans = [("nothing asked", begun - 3, begun)]
            for name, filter_, expected in (
                ("a filter that fits none", "label=nobody", 0),
                ("a filter that fits all", "url=http://127.0.0.1:9/hook", messages),
            ):
                begun = time.perf_counter()
                canceled = cancel(running, filter_)
                spans.append((name, begun, time.perf_counter()))
                if canceled != expected:
                    raise SystemExit(f"{name}: {canceled} were canceled, expected {expected}")
            probe.stop()
            result["broker_rss_mib"] = round(rss_mib(running.pid), 1)
    for name, begun, ended in spans:
        answers = probe.between(begun, ended)
        report.add(f"{name}: took", ended - begun, "s")
        report.add(f"{name}: API meanwhile, p50", quantile(answers, 0.5), "ms")
        report.add(f"{name}: API meanwhile, p99", quantile(answers, 0.99), "ms", at_most=100)
        report.add(f"{name}: API meanwhile, slowest", quantile(answers, 1.0), "ms")
    result["cancel_s"] = round(spans[-1][2] - spans[-1][1], 1)
    result["canceled_per_s"] = round(messages / result["cancel_s"])
    result["api_p99_ms"] = round(quantile(probe.between(*spans[-1][1:]), 0.99), 2)
    result["api_slowest_ms"] = round(quantile(probe.between(*spans[-1][1:]), 1.0), 2)
    report.add("canceled", result["canceled_per_s"], "messages/s")
    report.add("memory", result["broker_rss_mib"], "MiB", at_most=150)
    return result


def main() -> None:
    """Fill, cancel, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    report = Report("canceling in bulk")
    core = other_core()
    result = measure(options.messages, report, core) | measure_queue(options.messages, report, core)
    report.print()
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
