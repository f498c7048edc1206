"""Bringing deliveries to where they go, in a test: one thing may be done to one of them, and everything is written down."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ringback.clock import Clock
from ringback.testing.attempts import Attempt, Delivered, Spot, Spots, group_size
from ringback.testing.disturbances import Disturbance, Killed
from ringback.testing.places import Places
from ringback.wire.http import Outbound, Outcome
from ringback.workflow.watching import step_watch

under_way: ContextVar[Delivered | None] = ContextVar("under_way", default=None)
"""The delivery that is dealt with in this context."""

_LOST = "the connection was lost before the answer came"


class Postman:
    """The broker's sender in a test.

    Args:
        places: who answers.
        clock: the test's.
        disturbance: what goes wrong.

    Attributes:
        delivered: everything that was sent, oldest first.
        failures: by the name of a step, the errors that its next calls raise.
    """

    def __init__(self, places: Places, clock: Clock, disturbance: Disturbance) -> None:
        self._places = places
        self._clock = clock
        self._disturbance = disturbance
        self._used = False
        self._spots = Spots()
        self._open = asyncio.Event()
        self._stirred = asyncio.Event()
        self._in_hand = 0
        self._held: dict[Spot, asyncio.Event] = {}
        self.delivered: list[Delivered] = []
        self.failures: dict[str, list[Exception]] = {}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let deliveries go out as long as the block lasts; others wait."""
        self._open.set()
        try:
            yield
        finally:
            self._open.clear()

    async def send(self, outbound: Outbound) -> Outcome:
        """Deliver one request."""
        if not isinstance(outbound, Attempt):
            return await self._places.deliver(outbound)  # a look of the broker's preflight
        attempt, spot = outbound, self._spots.of(outbound.handed)
        self._in_hand += 1
        try:
            await self._open.wait()
            await self._line_up(spot)
            record = self._record(attempt, spot)
            self.delivered.append(record)
            outcome = await self._deliver(attempt, record)
            record.status, record.error, record.body = outcome.status, outcome.error, outcome.body
            return outcome
        finally:
            self._in_hand -= 1
            self._stirred.set()

    async def quiet(self, busy: Callable[[], int]) -> None:
        """Wait until no attempt is in flight; `busy` tells how many are.

        Members of a group that are held back go one by one, the last of the group first, each when nothing else moves.
        """
        while attempts := busy():
            if attempts > self._in_hand:
                await asyncio.sleep(0)  # one has just begun or is being written down
            elif self._held and len(self._held) == attempts:
                last = max(self._held, key=lambda spot: int(spot.entry[1:]))
                self._held.pop(last).set()
                await asyncio.sleep(0)
            else:
                self._stirred.clear()
                await self._stirred.wait()

    def _record(self, attempt: Attempt, spot: Spot) -> Delivered:
        handed = attempt.handed
        run_id = handed.run.run_id if handed.run else ""
        number, retried = len(self.delivered) + 1, handed.delivery.retried
        return Delivered(number, self._clock(), spot, attempt.url, run_id, retried, group_size(handed))

    async def _line_up(self, spot: Spot) -> None:
        if self._disturbance.kind == "reordered" and spot in self._disturbance.spots and spot not in self._seen():
            self._held[spot] = turn = asyncio.Event()
            self._stirred.set()
            await turn.wait()

    def _seen(self) -> set[Spot]:
        return {one.spot for one in self.delivered}

    async def _deliver(self, attempt: Attempt, record: Delivered) -> Outcome:
        disturbed = self._disturbance
        if self._used or record.spot not in disturbed.spots:
            return await self._call(attempt, record, "")
        if disturbed.kind == "reordered":
            record.done_to_it.append("held back until the later ones of its group were done")
            return await self._call(attempt, record, "")
        self._used = True
        if disturbed.kind in ("killed before", "killed after"):
            return await self._call(attempt, record, disturbed.kind)
        outcome = await self._call(attempt, record, "")
        if disturbed.kind == "reply lost":
            record.done_to_it.append("its answer was lost")
            return Outcome(0, error=_LOST)
        record.done_to_it.append("delivered a second time")
        await self._call(attempt, record, "")
        return outcome

    async def _call(self, attempt: Attempt, record: Delivered, kill: str) -> Outcome:
        watching = step_watch.set(_Watch(record, self.failures, kill, self._disturbance.step))
        here = under_way.set(record)
        try:
            return await self._places.answer(attempt)
        except BaseException as error:
            if not _is_death(error):
                raise
            return Outcome(0, error="the process died")
        finally:
            under_way.reset(here)
            step_watch.reset(watching)


class _Watch:
    """Writes down the steps of a delivery, lets them fail as told, and kills the process where told."""

    def __init__(self, record: Delivered, failures: dict[str, list[Exception]], kill: str, victim: str) -> None:
        self._record = record
        self._failures = failures
        self._kill = kill
        self._victim = victim

    def before(self, step: str) -> None:
        """See `StepWatch`."""
        self._die("killed before", step)
        left = self._failures.get(step)
        if left:
            self._record.done_to_it.append(f"step {step!r} was made to fail")
            raise left.pop(0)
        self._record.ran.append(step)

    def after(self, step: str) -> None:
        """See `StepWatch`."""
        self._die("killed after", step)

    def _die(self, when: str, step: str) -> None:
        if self._kill == when and step == self._victim:
            self._kill = ""
            self._record.done_to_it.append(f"{when} step {step!r}")
            raise Killed(step)


def _is_death(error: BaseException) -> bool:
    """Tell whether a process died; frameworks may wrap what they let pass into a group."""
    if isinstance(error, BaseExceptionGroup):
        return any(_is_death(one) for one in error.exceptions)
    return isinstance(error, Killed)
