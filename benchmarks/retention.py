"""Forgetting old records: how fast it goes, and whether anything has to wait for it.

`python -m benchmarks.retention` writes 250,000 messages that ended nine days ago or earlier, each with four events and four dead
letters, straight into a database. A broker forgets all of it from its start on, and its API is asked for small things until
nothing is left.
"""

import argparse
import json
import time
from pathlib import Path

import apsw

from benchmarks.history import DAYS, EVENTS_EACH, records
from benchmarks.probe import probing
from benchmarks.process import broker, other_core, rss_mib, scratch
from benchmarks.report import Report, quantile
from benchmarks.seed import fill
from ringback.broker.ids import first_id_at
from ringback.clock import now

LONGEST = 600
"""Seconds after which it is given up."""
QUIET_S = 8
"""Seconds that the API is asked for when there is nothing left to forget, to compare with."""
AGE_DAYS = 9


def left(path: Path, newest: int) -> int:
    """Return how many old messages there are; messages go last."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM messages WHERE seq < ? LIMIT 1)", (newest,)
        )
        return int(count)
    finally:
        connection.close()


def measure(rows: int, core: int | None) -> dict[str, float]:
    """Fill, start, and ask until everything old is gone."""
    with scratch() as folder:
        path = folder / "old.db"
        at = now() - AGE_DAYS * 86_400_000
        fill(path, records(rows, at))
        newest = first_id_at(at + 86_400_000)
        with broker(path, core) as running, probing(running) as probe:
            begun = time.perf_counter()
            while left(path, newest):
                if time.perf_counter() - begun > LONGEST:
                    raise SystemExit(f"not everything is forgotten after {LONGEST} s")
                time.sleep(0.5)
            ended = time.perf_counter()
            time.sleep(QUIET_S)
            probe.stop()
            memory = rss_mib(running.pid)
    after = probe.between(ended + 1, ended + QUIET_S)
    during = probe.between(begun, ended)
    took = ended - begun
    return {
        "records_per_s": round(rows * (2 + 1 / EVENTS_EACH) / took),
        "took_s": round(took, 1),
        "api_p50_ms": round(quantile(during, 0.5), 2),
        "api_p99_ms": round(quantile(during, 0.99), 2),
        "api_slowest_ms": round(quantile(during, 1.0), 2),
        "quiet_p99_ms": round(quantile(after, 0.99), 2),
        "broker_rss_mib": round(memory, 1),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="events, and as many dead letters")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    core = other_core()
    result = measure(options.rows, core)
    report = Report(f"forgetting what is {AGE_DAYS} to {AGE_DAYS + DAYS} days old")
    report.add("forgotten", result["records_per_s"], "records/s")
    report.add("took", result["took_s"], "s")
    report.add("API meanwhile, p50", result["api_p50_ms"], "ms")
    report.add("API meanwhile, p99", result["api_p99_ms"], "ms", at_most=100)
    report.add("API meanwhile, slowest", result["api_slowest_ms"], "ms")
    report.add("API afterwards, p99", result["quiet_p99_ms"], "ms")
    report.print()
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
