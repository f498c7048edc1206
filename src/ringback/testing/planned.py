"""Events that the test sends by itself when a run waits for them: in time, or as a disturbance has it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ringback.broker.records import Run, Waiter
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.clock import Instant
from ringback.testing.disturbances import Disturbance

Send = Callable[[str, object, str | None], None]
"""Sends an event: its id, its data, and the run it is for, None for all that wait."""


@dataclass(slots=True)
class _Plan:
    event_id: str
    data: object
    waiter: int = 0
    deadline: Instant | None = None
    sent: int = 0


@dataclass(slots=True)
class Planned:
    """The events that are planned.

    Attributes:
        waited: for each event that has been waited for, which run did, counted from 0 in the order they were started.
        early: for each event that is to come early, the same, from the run in which nothing went wrong.
    """

    store: MemoryStore
    send: Send
    disturbance: Disturbance
    early: dict[str, int] = field(default_factory=dict)
    waited: dict[str, int] = field(default_factory=dict)
    _plans: list[_Plan] = field(default_factory=list)

    def add(self, event_id: str, data: object) -> None:
        """Plan an event."""
        self._plans.append(_Plan(event_id, data))

    def send_due(self, now: Instant) -> bool:
        """Send what is to be sent now; tell whether there was anything."""
        sent = [self._step(plan, now) for plan in self._plans]  # each of them, not only the first
        return any(sent)

    def next_due(self, now: Instant) -> Instant | None:
        """Return when there is something to be sent next, None for no known time."""
        times = [plan.deadline for plan in self._plans if plan.deadline is not None and not plan.sent]
        return min((max(at, now) for at in times), default=None)

    def _step(self, plan: _Plan, now: Instant) -> bool:
        how = self.disturbance.kind if self.disturbance.event == plan.event_id else "none"
        if how == "event never" or plan.sent > (how == "event twice"):
            return False
        if how == "event early" and plan.event_id in self.early:
            return self._send_early(plan)
        waiter = self._waiter(plan.event_id)
        if waiter is not None:
            self._note(plan, waiter, how)
        if plan.sent or plan.deadline is None or now < plan.deadline:
            return plan.sent == 1 and how == "event twice" and self._send(plan)
        return self._send(plan)

    def _note(self, plan: _Plan, waiter: Waiter, how: str) -> None:
        plan.waiter = waiter.run
        self.waited.setdefault(plan.event_id, self._runs().index(waiter.run))
        late = {"event at the last moment": waiter.wake_at - 1, "event after the time-out": waiter.wake_at + 1}
        plan.deadline = late.get(how, 0)

    def _send_early(self, plan: _Plan) -> bool:
        runs = self._runs()
        number = self.early[plan.event_id]
        if number >= len(runs):
            return False
        run = self.store.look(lambda tx: tx.get(Run, runs[number]))
        return self._send(plan, run.run_id if run else None)

    def _send(self, plan: _Plan, run_id: str | None = None) -> bool:
        plan.sent += 1
        self.send(plan.event_id, plan.data, run_id)
        return True

    def _waiter(self, event_id: str) -> Waiter | None:
        where = (Where("event_id", "=", event_id),)
        found = self.store.look(lambda tx: tx.find(Waiter, Query(where, order=("seq",), limit=1)))
        return found[0] if found else None

    def _runs(self) -> list[int]:
        return [run.seq for run in self.store.look(lambda tx: tx.find(Run, Query(order=("seq",), limit=10_000)))]
