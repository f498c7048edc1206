"""Events and webhook calls that the test sends by itself when a run waits for them: in time, or as a disturbance has it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from ringback.broker.records import Entry, Run, Waiter
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.clock import Instant
from ringback.testing.disturbances import Disturbance
from ringback.wire.steps import StepType, parse_step

_MOST = 10_000


@dataclass(slots=True)
class Plan:
    """One event, or one call of a webhook.

    Attributes:
        name: the event, or the step that makes the webhook.
        data: what is sent with it.
        is_webhook: which of the two.
        event_id: what the run waits for; for a webhook, known when its address is made.
        run_id: the run it is for, "" for all that wait.
        deadline: when it is due, None until it is waited for.
        sent: how often it was sent.
    """

    name: str
    data: object
    is_webhook: bool = False
    event_id: str = ""
    run_id: str = ""
    deadline: Instant | None = None
    sent: int = 0


@dataclass(slots=True)
class Planned:
    """What is planned.

    Attributes:
        waited: for each plan whose time has come, which run waited, counted from 0 in the order they were started.
        early: the same, from the run in which nothing went wrong.
    """

    store: MemoryStore
    send: Callable[[Plan], None]
    disturbance: Disturbance
    early: dict[str, int] = field(default_factory=dict)
    waited: dict[str, int] = field(default_factory=dict)
    _plans: list[Plan] = field(default_factory=list)

    def add(self, plan: Plan) -> None:
        """Plan an event or a call."""
        self._plans.append(plan)

    def send_due(self, now: Instant) -> bool:
        """Send what is to be sent now; tell whether there was anything."""
        sent = [self._step(plan, now) for plan in self._plans]  # each of them, not only the first
        return any(sent)

    def next_due(self, now: Instant) -> Instant | None:
        """Return when there is something to be sent next, None for no known time."""
        times = [plan.deadline for plan in self._plans if plan.deadline is not None and not plan.sent]
        return min((max(at, now) for at in times), default=None)

    def _step(self, plan: Plan, now: Instant) -> bool:
        how = self.disturbance.kind if self.disturbance.event == plan.name else "none"
        if how == "event never" or plan.sent > (how == "event twice"):
            return False
        if plan.is_webhook and not plan.event_id and not self._has_address(plan):
            return False
        if how == "event early" and self._may_come_early(plan):
            return self._send(plan)
        waiter = self._waiter(plan)
        if waiter is not None:
            self.waited.setdefault(plan.name, self._runs().index(waiter.run))
            late = {"event at the last moment": waiter.wake_at - 1, "event after the time-out": waiter.wake_at + 1}
            plan.deadline = late.get(how, 0)
        if plan.sent:
            return how == "event twice" and self._send(plan)
        return plan.deadline is not None and now >= plan.deadline and self._send(plan)

    def _may_come_early(self, plan: Plan) -> bool:
        """A webhook can be called as soon as it has an address, an event be sent as soon as there is a run."""
        if plan.is_webhook:
            return True
        runs = self._runs()
        number = self.early.get(plan.name, len(runs))
        if number < len(runs):
            plan.run_id = self._run_id(runs[number])
        return bool(plan.run_id)

    def _send(self, plan: Plan) -> bool:
        plan.sent += 1
        self.send(plan)
        return True

    def _has_address(self, plan: Plan) -> bool:
        """Find the address that the step of a plan has made."""
        for entry in self.store.look(lambda tx: tx.find(Entry, Query(limit=_MOST))):
            if not entry.identity.startswith("r") or not entry.body:
                continue
            step = parse_step(entry.body)
            if (step.type, step.name) == (StepType.CREATE_WEBHOOK, plan.name):
                plan.event_id = json.loads(step.out or "{}")["eventId"]
                plan.run_id = self._run_id(entry.run)
                return True
        return False

    def _waiter(self, plan: Plan) -> Waiter | None:
        where = (Where("event_id", "=", plan.event_id or plan.name),)
        found = self.store.look(lambda tx: tx.find(Waiter, Query(where, order=("seq",), limit=1)))
        return found[0] if found else None

    def _runs(self) -> list[int]:
        return [run.seq for run in self.store.look(lambda tx: tx.find(Run, Query(order=("seq",), limit=_MOST)))]

    def _run_id(self, seq: int) -> str:
        run = self.store.look(lambda tx: tx.get(Run, seq))
        return run.run_id if run is not None else ""
