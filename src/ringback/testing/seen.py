"""Runs and messages as a test looks at them: always as they are now."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ringback.broker.ids import message_id
from ringback.broker.operations.why import run_causes
from ringback.broker.records import DeadLetter, Entry, Event, Run, RunState, State
from ringback.broker.rules.holding import Holding
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.memory import MemoryStore
from ringback.clock import Clock
from ringback.wire.steps import Step, StepType, parse_step
from ringback.workflow import steps as readers

_MOST = 10_000
_READERS: Mapping[str, Callable[[Step], Any]] = {
    StepType.CALL: readers.read_response,
    StepType.WAIT: readers.read_event,
    StepType.WAIT_FOR_WEBHOOK: readers.read_webhook_call,
    StepType.NOTIFY: readers.read_notified,
    StepType.CREATE_WEBHOOK: readers.read_webhook,
    StepType.INVOKE: partial(readers.read_invoked, Any),
}


@dataclass(frozen=True, slots=True)
class SeenStep:
    """One finished step.

    Attributes:
        number: its place in the run, from 1.
        name, type: as the workflow asked for it.
        result: as JSON for functions; `Response`, `Event`, `Invoked` and so on for the others, None for sleeps.
    """

    number: int
    name: str
    type: str
    result: Any


class SeenRun:
    """One run.

    Args:
        store: the broker's.
        seq: number of the run.
        executions: how often each step's function was called.
        clock: the test's.
    """

    def __init__(
        self, store: MemoryStore, seq: int, executions: Callable[[str], Mapping[str, int]], clock: Clock
    ) -> None:
        self._store = store
        self._seq = seq
        self._executions = executions
        self._clock = clock

    def __repr__(self) -> str:
        return f"<SeenRun {self.id} of {self.url}: {self.state}>"

    @property
    def id(self) -> str:
        """Its id, `wfr_...`."""
        return self._run.run_id

    @property
    def url(self) -> str:
        """Where its workflow is served."""
        return self._run.url

    @property
    def state(self) -> RunState:
        """`RUN_STARTED`, `RUN_SUCCESS`, `RUN_FAILED` or `RUN_CANCELED`."""
        return self._run.state

    @property
    def result(self) -> Any:
        """What the workflow returned; None until then."""
        return None if self._run.result is None else json.loads(self._run.result)

    @property
    def error(self) -> str | None:
        """Why it failed, None if it has not."""
        letter = self._run.dead_letter
        found = self._store.look(lambda tx: tx.get(DeadLetter, letter)) if letter is not None else None
        return None if found is None else _told(found)

    @property
    def steps(self) -> list[SeenStep]:
        """Its finished steps in the order of their numbers."""
        entries = self._store.look(lambda tx: tx.find(Entry, Query((Where("run", "=", self._seq),), limit=_MOST)))
        results = [entry for entry in entries if entry.identity.startswith("r") and entry.place is not None]
        found = [parse_step(entry.body) for entry in results if entry.body]
        return [_seen(step) for step in sorted(found, key=lambda step: step.id)]

    def step(self, name: str) -> SeenStep:
        """Return the finished step of a name, of several the last.

        Raises:
            AssertionError: there is none.
        """
        known = self.steps
        named = [step for step in known if step.name == name]
        if not named:
            raise AssertionError(f"no step {name!r} has finished; there are: {[step.name for step in known]}")
        return named[-1]

    def executions(self, step: str) -> int:
        """Return how often the function of a step was really called; calls that the test made fail do not count."""
        return self._executions(self.id).get(step, 0)

    @property
    def waits_for(self) -> str:
        """What it waits for, in words, or how it has ended."""
        run, now = self._run, self._clock()
        return "; ".join(cause.text for cause in self._store.look(lambda tx: run_causes(tx, run, now, Holding())))

    @property
    def _run(self) -> Run:
        run = self._store.look(lambda tx: tx.get(Run, self._seq))
        if run is None:
            raise LookupError("the broker has forgotten this run: it ended long ago")
        return run


class SeenMessage:
    """One plain message.

    Args:
        store: the broker's.
        seq: number of the message.
    """

    def __init__(self, store: MemoryStore, seq: int) -> None:
        self._store = store
        self._seq = seq

    @property
    def id(self) -> str:
        """Its id, `msg_...`."""
        return message_id(self._seq)

    @property
    def states(self) -> list[State]:
        """What it went through, such as `CREATED`, `ACTIVE`, `DELIVERED`."""
        return [event.state for event in self._events()]

    @property
    def state(self) -> State:
        """The last of them."""
        return self.states[-1]

    @property
    def errors(self) -> list[str]:
        """What went wrong, one text for each failed attempt."""
        return [event.error or "" for event in self._events() if event.state == "ERROR"]

    def _events(self) -> list[Event]:
        where = (Where("message", "=", self._seq),)
        return self._store.look(lambda tx: tx.find(Event, Query(where, order=("pos",), limit=_MOST)))


def _seen(step: Step) -> SeenStep:
    read = _READERS.get(step.type, _plain)
    return SeenStep(step.id, step.name, step.type, read(step))


def _plain(step: Step) -> Any:
    return None if step.out is None else json.loads(step.out)


def _told(letter: DeadLetter) -> str:
    if letter.error:
        return letter.error
    try:
        said = json.loads(letter.body)
        return f"{said['error']}: {said['message']}"
    except (ValueError, KeyError, TypeError):
        return letter.body.decode(errors="replace")
