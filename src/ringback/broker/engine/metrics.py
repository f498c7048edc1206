"""What monitoring sees of this node: counted from the changes that became durable, told in Prometheus' words.

Counting is a dictionary's increment for each event; everything else is done when somebody asks.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ringback.broker.changes import Applied
from ringback.broker.operations.backlog import Backlog, count_backlog
from ringback.broker.operations.desk import Desk
from ringback.broker.records import Event, Run, State
from ringback.broker.rules.counting import BOUNDS_MS
from ringback.broker.rules.holding import Holding
from ringback.wire.http import Request, Response

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OUTCOMES = frozenset({"DELIVERED", "ERROR"})
_MOST_SLOW = 100_000
_GAUGES = {
    "due": ("ringback_messages_due", "Messages whose time has come and that no node has taken yet."),
    "later": ("ringback_messages_later", "Messages that wait for their time: delays and retries."),
    "in_lanes": ("ringback_messages_in_lanes", "Messages that wait in queues and for flow control."),
    "in_flight": ("ringback_attempts_in_flight", "Attempts under way, on all nodes."),
    "paused": ("ringback_lanes_paused", "Queues and flow-control keys that are paused."),
    "schedules": ("ringback_schedules", "Schedules that are not paused."),
    "waiters": ("ringback_waiters", "Steps that wait for an event."),
}
_HELD = {
    "attempts": ("ringback_attempts_held", "Attempts that this node has in flight."),
    "most_attempts": ("ringback_attempts_held_limit", "Attempts that this node may have in flight."),
    "size": ("ringback_bytes_held", "Bytes of bodies that this node has in flight."),
    "most_bytes": (
        "ringback_bytes_held_limit",
        "Bytes of bodies in flight from which on this node begins nothing more.",
    ),
}


class Metrics:
    """Counts what happens on this node since it started.

    Args:
        note: told of each event, and for the outcome of an attempt how many milliseconds it took.

    Attributes:
        events: events by their state.
        runs: runs that have ended, by their state.
        attempts: attempts by the first digit of the answer's status, `none` where there was no answer.
    """

    def __init__(self, note: Callable[[Event, int | None], None] = lambda _, __: None) -> None:
        self._note = note
        # all of them from the start: a counter that appears with its first event hides that event from `increase()`
        self.events = Counter(dict.fromkeys(get_args(State), 0))
        self.runs = Counter(dict.fromkeys(("RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"), 0))
        self.attempts = Counter(dict.fromkeys(("2xx", "3xx", "4xx", "5xx", "none"), 0))
        self._slow: set[int] = set()
        self._durations = [0] * (len(BOUNDS_MS) + 1)
        self._duration_sum = 0

    def see(self, applied: Applied) -> None:
        """Count what is durable; the beginning and the outcome of an attempt come in one transaction.

        The beginning of a slow one has come before, too, and counts once.
        """
        begun: dict[int, Event] = {}
        events = self.events
        for event in applied.put(Event):
            if event.state == "ACTIVE":
                begun[event.message] = event
                events["ACTIVE"] += event.pos not in self._slow
                continue
            events[event.state] += 1
            took = None
            if event.state in _OUTCOMES:
                beginning = begun.pop(event.message, event)
                self._slow.discard(beginning.pos)
                took = max(0, event.at - beginning.at)
                self._attempt(event, took)
            self._note(event, took)
        if begun:
            self._note_slow(begun.values())
        for run in applied.put(Run):
            if run.state != "RUN_STARTED" and run.failure is None:
                self.runs[run.state] += 1

    def _note_slow(self, begun: Iterable[Event]) -> None:
        """Remember what has begun and is not over; what was broken off never is."""
        if len(self._slow) > _MOST_SLOW:
            self._slow.clear()
        self._slow.update(event.pos for event in begun)

    def _attempt(self, outcome: Event, took: int) -> None:
        self.attempts[f"{outcome.status // 100}xx" if outcome.status else "none"] += 1
        self._durations[bisect_left(BOUNDS_MS, took)] += 1
        self._duration_sum += took

    def families(self) -> Iterable[Metric]:
        """Yield everything that was counted."""
        yield _counter("ringback_events", "What happened to messages.", "state", self.events)
        yield _counter("ringback_runs_ended", "Runs of workflows that have ended.", "state", self.runs)
        yield _counter("ringback_attempts", "Attempts by the kind of answer.", "answer", self.attempts)
        yield self._histogram()

    def _histogram(self) -> Metric:
        total, buckets = 0, []
        for bound, count in zip((*BOUNDS_MS, None), self._durations, strict=True):
            total += count
            buckets.append(("+Inf" if bound is None else str(bound / 1000), float(total)))
        family = HistogramMetricFamily("ringback_attempt_seconds", "How long attempts took.")
        family.add_metric([], buckets, self._duration_sum / 1000)
        return family


class MetricsPage:
    """Answers `GET /metrics`.

    Args:
        metrics: what was counted.
        desk: where the backlog is asked for.
        authenticate: raises `Refused` for a request without a token that is known.
    """

    def __init__(self, metrics: Metrics, desk: Desk, authenticate: Callable[[Request], object]) -> None:
        self._metrics = metrics
        self._desk = desk
        self._authenticate = authenticate
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)

    async def __call__(self, request: Request) -> Response:
        """Answer one request; any token of any account will do, the figures name nobody."""
        self._authenticate(request)
        if request.method not in ("GET", "HEAD"):
            return Response(405, [("Allow", "GET")], b"")
        now = self._desk.clock()
        backlog = await self._desk.read(lambda tx: count_backlog(tx, now))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Told([*self._metrics.families(), *_gauges(backlog), *_held(self._desk.holding())]))
        body = generate_latest(registry) + generate_latest(self._process)
        return Response(200, [("Content-Type", CONTENT_TYPE)], body)


class _Told(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _gauges(backlog: Backlog) -> Iterable[Metric]:
    for field, (name, text) in _GAUGES.items():
        yield GaugeMetricFamily(name, text, getattr(backlog, field))
    text = "How long the first message has waited whose time has come."
    yield GaugeMetricFamily("ringback_oldest_due_seconds", text, backlog.oldest_due_ms / 1000)


def _held(holding: Holding) -> Iterable[Metric]:
    for field, (name, text) in _HELD.items():
        yield GaugeMetricFamily(name, text, getattr(holding, field))


def _counter(name: str, text: str, label: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
