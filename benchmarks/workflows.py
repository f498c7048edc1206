"""A workflow of four steps, through our SDK under uvicorn: how many runs a second, and what each costs.

`python -m benchmarks.workflows` starts a broker on one core and an application on another, keeps a number of runs active until
all have been started, and waits until all have ended. Whoever starts them works on the core of the application, so that two
cores do everything.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from benchmarks.load import Run
from benchmarks.process import Broker, broker, cpu_seconds, other_core, rss_mib, scratch
from benchmarks.report import Report
from ringback.client.messages import RunRef, start
from ringback.client.options import RunOptions

WARM_UP = 300
CONNECTIONS = 16
LONGEST = 300
"""Seconds after which runs are given up."""


@contextmanager
def application(running: Broker, core: int | None) -> Iterator[tuple[int, str]]:
    """Serve the workflow for the length of a block; gives its process and its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pin = ["taskset", "-c", str(core)] if core is not None else []
    line = [*pin, sys.executable, "-m", "uvicorn", "benchmarks.four_steps:app", "--port", str(port)]
    process = subprocess.Popen(
        [*line, "--no-access-log", "--log-level", "warning"], env={**os.environ, **running.told, "QSTASH_DEV": "false"}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.perf_counter() + 30
        while not _answers(url):
            if process.poll() is not None or time.perf_counter() > end:
                raise SystemExit("the application did not start")
            time.sleep(0.05)
        yield process.pid, url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/finished").status_code == 200
    except httpx.TransportError:
        return False


async def run_all(running: Broker, url: str, runs: int, active: int, name: str) -> float:
    """Start runs, at most so many active at once, and return the seconds until the last one has ended."""
    target = f"{url}/api/process-video"
    before = finished = int(httpx.get(f"{url}/finished").text)
    common = start(RunRef("-", target, 0), "", RunOptions()).headers

    def headers(left: int) -> str:
        lines = common | {"Upstash-Workflow-RunId": f"wfr_{name}-{left}"}
        return "".join(f"{key}: {value}\r\n" for key, value in lines.items() if key != "Content-Type")

    load = Run(running.url, running.token, target, runs, None, 1, headers)
    load.full = lambda: runs - load.left - (finished - before) >= active
    begun = time.perf_counter()
    await load.begin(CONNECTIONS)
    async with httpx.AsyncClient(headers=running.headers, timeout=60) as http:
        while (finished := int((await http.get(f"{url}/finished")).text)) < before + runs:
            if time.perf_counter() - begun > LONGEST:
                raise SystemExit(f"the runs have not ended after {LONGEST} s")
            await asyncio.sleep(0.02)
        took = time.perf_counter() - begun
        unfinished = f"{running.url}/v2/workflows/logs?state=RUN_STARTED&count=1"
        while (await http.get(unfinished)).raise_for_status().json()["runs"]:
            await asyncio.sleep(0.02)
    return took


def measure(running: Broker, pid: int, url: str, runs: int, active: int) -> dict[str, float]:
    """Measure after a warm-up."""
    asyncio.run(run_all(running, url, min(WARM_UP, runs), active, "warm"))
    pids = {"broker": running.pid, "application": pid}
    before = {name: cpu_seconds(one) for name, one in pids.items()}
    own = time.process_time()
    took = asyncio.run(run_all(running, url, runs, active, "run"))
    used = {
        f"{name}_cpu_us_per_run": round((cpu_seconds(one) - before[name]) / runs * 1e6) for name, one in pids.items()
    }
    return {
        "runs_per_s": round(runs / took),
        **used,
        "load_cpu_us_per_run": round((time.process_time() - own) / runs * 1e6),
        "broker_rss_mib": round(rss_mib(running.pid), 1),
        "application_rss_mib": round(rss_mib(pid), 1),
    }


def main() -> None:
    """Start everything, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5_000)
    parser.add_argument("--active", type=int, default=128, help="most runs that are active at once")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    core = other_core()
    with (
        scratch() as folder,
        broker(folder / "runs.db", core) as running,
        application(running, None if core is None else 0) as (pid, url),
    ):
        result = measure(running, pid, url, options.runs, options.active)
    report = Report("runs of a workflow of four steps")
    report.add("runs a second", result["runs_per_s"], "", at_least=1000)
    for name, unit in (
        ("broker_cpu_us_per_run", "µs"),
        ("application_cpu_us_per_run", "µs"),
        ("load_cpu_us_per_run", "µs"),
    ):
        report.add(name, result[name], unit)
    report.add("broker_rss_mib", result["broker_rss_mib"], "MiB")
    report.print()
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
