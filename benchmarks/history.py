"""Pages of logs and dead letters among millions of rows: how long each filter takes, and whether retention stalls anything.

`python -m benchmarks.history` writes 5,000,000 events and as many dead letters about messages of tens of thousands of sorts:
hosts that are rare, hosts that were only used long ago, labels that one message alone has. It asks a broker for pages of them,
and then measures the API while everything old is being forgotten.
"""

import argparse
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from benchmarks.process import Broker, scratch
from benchmarks.report import Report, quantile
from benchmarks.seed import fill, filled_broker
from ringback.broker.ids import first_id_at
from ringback.broker.records import DeadLetter, Event, Message, Record, State
from ringback.broker.rules.facets import described, facets_of
from ringback.broker.settings import DEVELOPMENT_TENANTS
from ringback.clock import now
from ringback.wire.options import FlowControl

TENANT = DEVELOPMENT_TENANTS[0].name
EVENTS_EACH = 4
DAYS = 6
FILTERS = (
    ("events", ""),
    ("events", "count=100"),
    ("events", "state=FAILED"),
    ("events", "state=DELIVERED&count=100"),
    ("events", "host=rare.example"),
    ("events", "host=old.example"),
    ("events", "host=h7.example&state=ERROR"),
    ("events", "url=https://h3.example/p2"),
    ("events", "label=order-1000"),
    ("events", "label=tier-3"),
    ("events", "label=tier-3&state=FAILED"),
    ("events", "flowControlKey=customer-17"),
    ("events", "callerIp=192.0.2.4"),
    ("events", "queueName=q1&state=CANCELED"),
    ("events", "host=nobody.example"),
    ("events", "fromDate={early}&toDate={later}"),
    ("events", "fromDate={early}&toDate={later}&host=rare.example"),
    ("dlq", ""),
    ("dlq", "responseStatus=418"),
    ("dlq", "url=https://h3.example/p2&responseStatus=503"),
    ("dlq", "label=order-1000"),
    ("dlq", "url=https://rare.example/p1"),
    ("dlq", "url=https://old.example/p1"),
    ("dlq", "flowControlKey=customer-17"),
    ("dlq", "url=https://old.example/p1&order=latestFirst"),
    ("dlq", "fromDate={early}&toDate={later}"),
)


def records(rows: int, newest: int) -> Iterator[Record]:
    """Return messages with their events and dead letters, oldest first, spread over six days."""
    chance = random.Random(1)
    messages = rows // EVENTS_EACH
    step = DAYS * 86_400_000 / messages
    for number in range(messages):
        at = newest - DAYS * 86_400_000 + int(number * step)
        message = _message(number, messages, at, chance)
        facets = facets_of(message)
        yield message
        yield from described(message, at)
        for index, state in enumerate(_states(chance)):
            yield Event(message.seq + 1 + index, TENANT, message.seq, state, at, facets=facets)
            status = 418 if chance.random() < 0.0001 else chance.choice((500, 503))
            yield DeadLetter(message.seq + 1 + index, TENANT, message.seq, status, (), b"no", facets=facets)


def _message(number: int, messages: int, at: int, chance: random.Random) -> Message:
    customer = chance.randrange(500)
    host = f"h{customer % 40}.example"
    if number % (messages // 20) == 7:
        host = "rare.example"
    elif number < messages // 10:
        host = "old.example"
    labels = (f"tier-{customer % 20}",)
    if number % 10 == 0:
        labels = (*labels, f"order-{number}")
    return Message(
        first_id_at(at) + (number % 3) * 16,
        TENANT,
        f"https://{host}/p{chance.randrange(5)}",
        "POST",
        (("Content-Type", "application/json"),),
        b"x" * 100,
        at,
        at,
        3,
        900_000,
        labels=labels,
        flow=FlowControl(f"customer-{customer}", 5) if customer < 250 else None,
        caller_ip=f"192.0.2.{chance.randrange(5)}",
        queue=f"q{chance.randrange(4)}" if chance.random() < 0.1 else None,
    )


def _states(chance: random.Random) -> tuple[State, ...]:
    roll = chance.random()
    if roll < 0.0005:
        return ("CREATED", "ACTIVE", "ERROR", "FAILED")
    if roll < 0.0007:
        return ("CREATED", "ACTIVE", "CANCEL_REQUESTED", "CANCELED")
    return ("CREATED", "ACTIVE", "ACTIVE", "DELIVERED")


def measure_pages(running: Broker, report: Report, addresses: Iterable[str], newest: int) -> None:
    """Ask for each page a few times and report the median; times of an address are in the middle of history."""
    early = newest - DAYS * 43_200_000
    worst = 0.0
    with httpx.Client(base_url=running.url, headers=running.headers, timeout=60) as http:
        for address in addresses:
            times: list[float] = []
            found: list[object] = []
            for _ in range(5):
                begun = time.perf_counter()
                answer = http.get(address.format(early=early, later=early + 60_000)).raise_for_status().json()
                times.append(time.perf_counter() - begun)
                found = next(value for value in answer.values() if isinstance(value, list))
            median = quantile(times, 0.5)
            worst = max(worst, median)
            report.add(f"{address} ({len(found)})", median, "ms")
    report.add("slowest page", worst, "ms", at_most=50)


def main() -> None:
    """Fill, ask, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own")
    options = parser.parse_args()
    report = Report("history")
    with scratch() as folder:
        path = Path(folder) / "history.db"
        newest = now()
        begun = time.perf_counter()
        fill(path, records(options.rows, newest))
        report.add("rows written straight into the tables in", time.perf_counter() - begun, "s")
        report.add("size of the database", path.stat().st_size / 2**20, "MiB")
        with filled_broker(path, report, postgres=options.postgres) as running:
            measure_pages(running, report, [f"/v2/{call}?{filter_}" for call, filter_ in FILTERS], newest)
    report.print()


if __name__ == "__main__":
    main()
