"""The steps a run has behind it, as one delivery shows them (protocol 1.12)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ringback.wire.steps import Entry, Step, StepType, parse_step


@dataclass(frozen=True)
class Journal:
    """What a run has behind it.

    Attributes:
        payload: the initial payload, exactly as it was sent.
        steps: plans and results in order of arrival, each kept once.
        last_is_repeated: the entry that caused this delivery had been there before: nothing is to be done.
    """

    payload: bytes = b""
    steps: tuple[Step, ...] = ()
    last_is_repeated: bool = False

    @cached_property
    def plans(self) -> dict[int, Step]:
        """The announced members of parallel groups, by the number their result will have."""
        return {step.place: step for step in self.steps if step.is_plan}

    @cached_property
    def results(self) -> dict[int, Step]:
        """The finished steps by their number."""
        return {step.id: step for step in self.steps if not step.is_plan}

    @property
    def last(self) -> Step | None:
        """The entry that caused this delivery, None for the first delivery of a run."""
        return self.steps[-1] if self.steps else None

    def named(self, number: int) -> Step | None:
        """Return what the history knows of step `number`: its result, or at least its plan."""
        return self.results.get(number) or self.plans.get(number)


def read_journal(entries: Iterable[Entry]) -> Journal:
    """Return the journal of a delivery's entries.

    Entries of third-party calls in flight say nothing to the code and are left out. Of a repeated entry the first is
    kept: it may have been seen by other deliveries already.

    Raises:
        ValueError: an entry is no step.
    """
    listed = [entry for entry in entries if entry.call_type == "step"]
    if not listed:
        raise ValueError("the delivery holds no initial payload")
    steps: list[Step] = []
    seen: set[tuple[bool, int]] = set()
    repeated = False
    for entry in listed[1:]:
        step = parse_step(entry.body)
        if step.type == StepType.INITIAL:
            raise ValueError("only the first entry can be the initial payload")
        key = (step.is_plan, step.place)
        repeated = key in seen
        if not repeated:
            seen.add(key)
            steps.append(step)
    return Journal(listed[0].body, tuple(steps), repeated)


def cut_after(entries: list[Entry], message_id: str) -> list[Entry]:
    """Return the part of a fetched list that the delivery `message_id` would have carried (protocol 1.13).

    Raises:
        ValueError: the list does not hold that message.
    """
    if len(entries) == 1:
        return entries
    return entries[: entries.index(entry_of(entries, message_id)) + 1]


def entry_of(entries: list[Entry], message_id: str) -> Entry:
    """Return the entry of a fetched list that belongs to a message.

    Raises:
        ValueError: the list does not hold that message.
    """
    for entry in entries:
        if entry.message_id == message_id:
            return entry
    raise ValueError(f"the fetched state of the run does not hold the message {message_id!r}")
