"""What can go wrong with a delivery, an event or a group, as values, and the list of it for a run that went well."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ringback.testing.attempts import Delivered, Spot

Kind = Literal[
    "none", "delivered twice", "reply lost", "killed before", "killed after", "reordered",
    "event early", "event at the last moment", "event twice", "event after the time-out", "event never",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One thing that goes wrong, once, in one run.

    Attributes:
        kind: what.
        words: the same for a person.
        spots: the delivery it happens to; of a group all members.
        step: the step before or after which the process dies.
        event: the event that comes at another time.
    """

    kind: Kind = "none"
    words: str = "nothing goes wrong"
    spots: frozenset[Spot] = frozenset()
    step: str = ""
    event: str = ""


NONE = Disturbance()


class Killed(BaseException):
    """The process that dealt with a delivery dies here."""


def never(event: str) -> Disturbance:
    """Return the run in which an event does not come: what one after the time-out is held against."""
    return Disturbance("event never", f"the event {event!r} never comes", event=event)


def disturbances(calm: Sequence[Delivered], events: Sequence[str]) -> list[Disturbance]:
    """Return everything that can go wrong with a run.

    Args:
        calm: the deliveries of that run, when nothing went wrong.
        events: the events that were sent to it.
    """
    first_tries = [one for one in calm if one.attempt == 0 and one.spot.kind != "call"]
    found = [each for one in first_tries for each in _of_delivery(one)]
    found += _of_groups(first_tries)
    for event in events:
        found += [
            Disturbance("event early", f"the event {event!r} comes before the run waits for it", event=event),
            Disturbance("event at the last moment", f"the event {event!r} comes just in time", event=event),
            Disturbance("event twice", f"the event {event!r} comes twice", event=event),
            Disturbance("event after the time-out", f"the event {event!r} comes after the time-out", event=event),
        ]
    return found


def place_of(spot: Spot) -> str:
    """Return which delivery a spot is, for a person."""
    entry, number = spot.entry, spot.entry[1:]
    if spot.kind == "plain":
        return f"message {entry} to {spot.target}"
    if spot.kind == "failure":
        return f"the call of {spot.target}'s failure function"
    if spot.kind == "call":
        return f"the call that {spot.target} makes as step {number}"
    if spot.kind == "call_result":
        return f"the delivery of a call's answer to {spot.target}"
    if entry == "init":
        return f"the first delivery of {spot.target}"
    if entry.startswith("p"):
        return f"the delivery for step {number} of {spot.target}, in a group"
    return f"the delivery of {spot.target} after step {number}"


def _of_delivery(one: Delivered) -> Iterator[Disturbance]:
    spots = frozenset({one.spot})
    where = f"the delivery that runs step {one.ran[0]!r}" if one.ran else place_of(one.spot)
    yield Disturbance("delivered twice", f"{where} comes twice", spots)
    yield Disturbance("reply lost", f"the answer to {where} is lost", spots)
    for step in one.ran:
        yield Disturbance("killed before", f"the process dies just before step {step!r}", spots, step)
        yield Disturbance("killed after", f"the process dies just after step {step!r}", spots, step)


def _of_groups(calm: Sequence[Delivered]) -> list[Disturbance]:
    members = sorted({(one.spot.target, int(one.spot.entry[1:]), one.size) for one in calm if one.size > 1})
    found: list[Disturbance] = []
    while members:
        target, first, size = members[0]
        group = frozenset(Spot(target, f"p{first + index}", "step") for index in range(size))
        members = [one for one in members if Spot(one[0], f"p{one[1]}", "step") not in group]
        words = f"the {size} parallel steps of {target} from step {first} on are done in reverse order"
        found.append(Disturbance("reordered", words, group))
    return found
