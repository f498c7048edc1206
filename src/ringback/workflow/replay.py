"""What the next steps mean, given the journal: already done, to be executed, to be planned, or not ours (protocol 1.12)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringback.wire.steps import Step
from ringback.workflow.errors import StepMismatch
from ringback.workflow.journal import Journal


@dataclass(frozen=True, slots=True)
class Wish:
    """A step the code asks for.

    Attributes:
        name, type: must fit the history.
        is_marker: True for a change marker (`context.patched`): a history without it is no mismatch.
    """

    name: str
    type: str
    is_marker: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """All the steps asked for are done; their results, in the order of the code."""

    results: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """The history went past this place without the marker: it is not there, and takes no number."""


@dataclass(frozen=True, slots=True)
class Execute:
    """This delivery is for one step: do it and submit its result as step `number`."""

    index: int
    number: int
    concurrent: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A parallel group is met for the first time: announce its members, numbered from `first`."""

    first: int
    concurrent: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Other deliveries do the rest of this group."""


Verdict = Replayed | Skipped | Execute | Plan | Discard


def replay(journal: Journal, first: int, wishes: Sequence[Wish]) -> Verdict:
    """Return what to do about the steps the code asks for together.

    Args:
        journal: what the run has behind it.
        first: number of the first of these steps, counted from 1.
        wishes: the steps in the order in which the code asks for them; more than one is a parallel group, and a
            marker stands alone.

    Raises:
        StepMismatch: the history tells of other steps at this place.
    """
    if wishes[0].is_marker:
        return _marker(journal, first, wishes[0])
    if len(wishes) == 1:
        return _single(journal, first, wishes[0])
    return _group(journal, first, wishes)


def recall(journal: Journal, number: int, name: str, type_: str) -> Step | None:
    """Return the result of a step that the history holds at this place as one that was asked for alone, else None."""
    there = journal.results.get(number)
    if there is None or there.concurrent != 1 or there.name != name or there.type != type_:
        return None
    return there


def _marker(journal: Journal, number: int, wish: Wish) -> Verdict:
    there = journal.named(number)
    if there is None:
        return Execute(0, number, 1)
    if (there.name, there.type) == (wish.name, wish.type) and not there.is_plan:
        return Replayed((there,))
    return Skipped()


def _single(journal: Journal, number: int, wish: Wish) -> Verdict:
    there = journal.named(number)
    if there is None:
        return Execute(0, number, 1)
    _same_step(number, wish, there)
    _same_size(number, 1, there)
    return Replayed((there,))


def _group(journal: Journal, first: int, wishes: Sequence[Wish]) -> Verdict:
    size = len(wishes)
    there = [journal.named(first + index) for index in range(size)]
    if not any(there):
        return Plan(first, size)
    for index, (wish, step) in enumerate(zip(wishes, there, strict=True)):
        if step is not None:
            _same_size(first, size, step)
            _same_step(first + index, wish, step)
    results = [journal.results.get(first + index) for index in range(size)]
    done = tuple(step for step in results if step is not None)
    if len(done) == size:
        return Replayed(done)
    last = journal.last
    if last is not None and last.is_plan and first <= last.place < first + size:
        return Execute(last.place - first, last.place, size)
    return Discard()


def _same_step(number: int, wish: Wish, there: Step) -> None:
    if (wish.name, wish.type) != (there.name, there.type):
        raise StepMismatch(
            f"Incompatible step name: step {number} of this run's history is {there.name!r} ({there.type}), but the "
            f"code asks for {wish.name!r} ({wish.type}). Steps must come in the same order on every delivery: put "
            "everything that may change (time, chance, input) into a step, and guard changed code with "
            "`await context.patched(...)` while older runs are in flight",
            number,
        )


def _same_size(number: int, size: int, there: Step) -> None:
    if there.concurrent != size or (size == 1 and there.is_plan):
        raise StepMismatch(
            f"Incompatible number of parallel steps: step {number} was one of {there.concurrent} started together, "
            f"but the code now starts {size}. Guard changed code with `await context.patched(...)` while older runs "
            "are in flight",
            number,
        )
