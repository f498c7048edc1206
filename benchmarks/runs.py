"""Pages of a million workflow runs: how long each filter takes.

`python -m benchmarks.runs` writes 1,000,000 runs of hundreds of sorts straight into a database: hosts that are rare, labels that
one run alone has, a few runs that failed or were canceled, a few that are still active. It asks a broker for pages of them.
"""

import argparse
import random
from collections.abc import Iterator

from benchmarks.history import DAYS, TENANT, measure_pages
from benchmarks.process import scratch
from benchmarks.report import Report
from benchmarks.seed import fill, filled_broker
from ringback.broker.ids import first_id_at
from ringback.broker.records import ActiveRun, Record, Run, RunState
from ringback.broker.rules.facets import described_run, with_facets
from ringback.clock import now
from ringback.wire.options import FlowControl, Options

FILTERS = (
    "",
    "workflowUrl=https://h3.example/p2",
    "workflowUrl=https://rare.example/p1",
    "workflowUrl=https://h3.example/p2&state=RUN_FAILED",
    "host=h7.example",
    "host=rare.example",
    "host=old.example",
    "host=nobody.example",
    "label=tier-3",
    "label=order-1000",
    "label=tier-3&state=RUN_CANCELED",
    "label=never-failed&state=RUN_FAILED",
    "flowControlKey=customer-17",
    "callerIp=192.0.2.4",
    "callerIp=192.0.2.99",
    "state=RUN_STARTED",
    "state=RUN_FAILED",
    "state=RUN_CANCELED",
    "state=RUN_SUCCESS&host=rare.example",
    "fromDate={early}&toDate={later}&host=rare.example",
)


def runs(count: int, newest: int) -> Iterator[Record]:
    """Return runs with what they are filtered by, oldest first, spread over six days."""
    chance = random.Random(1)
    for number in range(count):
        at = newest - DAYS * 86_400_000 + int(number * DAYS * 86_400_000 / count)
        run = with_facets(_run(number, count, at, chance))
        yield run
        yield from described_run(run, at)
        if run.state == "RUN_STARTED":
            yield ActiveRun(TENANT, run.run_id, run.seq)


def _run(number: int, count: int, at: int, chance: random.Random) -> Run:
    customer = chance.randrange(500)
    host = f"h{customer % 40}.example"
    labels = (f"tier-{customer % 20}",)
    if number % (count // 20) == 7:
        host = "rare.example"
    elif number < count // 10:
        host = "old.example"
    if number % 10 == 0:
        labels = (*labels, f"order-{number}")
    state = _state(chance)
    if chance.random() < 0.2:
        labels, state = ("never-failed",), "RUN_SUCCESS"
    return Run(
        first_id_at(at) + number % 3 * 16,
        TENANT,
        f"wfr_{chance.getrandbits(96):x}",
        f"https://{host}/p{chance.randrange(5)}",
        at,
        Options(labels=labels, flow_control=FlowControl(f"customer-{customer}", 5) if customer < 250 else None),
        caller_ip="192.0.2.99" if number % (count // 5) == 11 else f"192.0.2.{chance.randrange(5)}",
        entries=5,
        state=state,
        ended_at=None if state == "RUN_STARTED" else at + 1000,
        result=None if state == "RUN_STARTED" else '{"ok": true}',
    )


def _state(chance: random.Random) -> RunState:
    roll = chance.random()
    if roll < 0.002:
        return "RUN_FAILED"
    return "RUN_CANCELED" if roll < 0.0022 else "RUN_STARTED" if roll < 0.0023 else "RUN_SUCCESS"


def main() -> None:
    """Fill, ask, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    options = parser.parse_args()
    report = Report("runs")
    with scratch() as folder:
        path, newest = folder / "runs.db", now()
        fill(path, runs(options.runs, newest))
        with filled_broker(path, report, postgres=options.postgres) as running:
            measure_pages(running, report, [f"/v2/workflows/logs?{one}" for one in FILTERS], newest)
    report.print()


if __name__ == "__main__":
    main()
