"""The console's pages with millions of events in the store: how long each takes, logged in as a browser would be.

`python -m benchmarks.console` fills a database as `benchmarks.history` does, and asks a broker for its pages over HTTP.
"""

import argparse
import re
import time
from pathlib import Path

import httpx

from benchmarks.history import records
from benchmarks.process import broker, scratch
from benchmarks.report import Report, quantile
from benchmarks.seed import fill
from ringback.clock import now
from ringback.console.pages import SECTIONS

FILTERED = (
    "/?minutes=2880", "/messages?state=FAILED", "/messages?host=rare.example", "/messages?host=nobody.example",
    "/messages?label=order-1000", "/messages?label=tier-3&state=FAILED", "/messages?callerIp=192.0.2.4",
    "/dead-letters?host=rare.example", "/dead-letters?responseStatus=418", "/find?q=tier-3",
)  # fmt: skip


def measure_pages(http: httpx.Client, report: Report) -> None:
    """Ask for each page a few times and report the median."""
    lists = [screen.path for section in SECTIONS for screen in section.screens if "{" not in screen.path]
    found = re.search(r"/console(/messages/msg_[0-9a-f]+)", http.get("/console/messages").text)
    worst, slowest = 0.0, ""
    for path in [*lists, *FILTERED, *([found[1]] if found else [])]:
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            http.get(f"/console{path}").raise_for_status()
            times.append(time.perf_counter() - begun)
        median = quantile(times, 0.5)
        if max(times) > worst:
            worst, slowest = max(times), path
        report.add("/messages/{id}" if found and path == found[1] else path, median, "ms")
    report.add(f"slowest answer of all, first ones included: {slowest}", worst * 1000, "ms", at_most=100)


def main() -> None:
    """Fill, ask, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    report = Report("console")
    with scratch() as folder:
        path = Path(folder) / "console.db"
        fill(path, records(options.rows, now()))
        with (
            broker(path) as running,
            httpx.Client(base_url=running.url, headers={"Origin": running.url}, timeout=60) as http,
        ):
            http.post("/console/login", data={"token": running.token})
            measure_pages(http, report)
    report.print()


if __name__ == "__main__":
    main()
