"""The laws: what must hold each time the disk has synced, and what must hold when all has come to rest."""

from collections import Counter
from typing import TypeVar

from ringback.broker.records import DeadLetter, Delivery, Entry, Event, Lane, Message, Record, Run
from ringback.broker.stores.memory import Rows
from simulation.world import CALLBACK, RETRIES, STEPS, World

R = TypeVar("R", bound=Record)
ENDS = ("DELIVERED", "FAILED", "CANCELED")


class Broken(Exception):
    """A law is broken."""


def hold(law: object, text: str) -> None:
    """Raise where a law does not hold."""
    if not law:
        raise Broken(text)


def all_of(rows: Rows, kind: type[R]) -> list[R]:
    """Return all records of a kind."""
    return [record for record in rows[kind].values() if isinstance(record, kind)]


def always(rows: Rows) -> None:
    """What holds after each sync."""
    held: Counter[tuple[str, str]] = Counter()
    waiting: Counter[tuple[str, str]] = Counter()
    for delivery in all_of(rows, Delivery):
        places = (delivery.wake_at is not None) + (delivery.lane is not None) + (delivery.lease is not None)
        hold(places == 1, f"{delivery.seq:x} stands in {places} places at once")
        message = rows[Message][delivery.seq,]
        assert isinstance(message, Message)
        hold(delivery.retried <= message.retries, f"{delivery.seq:x} is tried again too often")
        if delivery.queued:
            held["queue", message.queue or message.holds or ""] += 1
        if message.flow and delivery.lease is not None:
            held["flow", message.flow.key] += 1
        if delivery.lane:
            kind, _, name = delivery.lane.split("\x1f")
            waiting[kind, name] += 1
    for lane in all_of(rows, Lane):
        active, line = held[lane.kind, lane.name], waiting[lane.kind, lane.name]
        hold(lane.active == active, f"{lane.name} counts {lane.active} slots, {active} are taken")
        hold(lane.waiting == line, f"{lane.name} counts {lane.waiting} waiting, {line} are")
        if lane.kind == "flow" and lane.parallelism:
            hold(lane.active <= lane.parallelism, f"{lane.name} is over its limit")
    _ends_are_final(rows)
    _steps_are_there_once(rows)


class Leases:
    """What is leased is settled by its holder alone; all that others may do is to give it back, as it was."""

    def __init__(self) -> None:
        self._held: dict[int, Delivery] = {}

    def check(self, rows: Rows, writer: int) -> None:
        """Compare with what was durable before."""
        for seq, before in self._held.items():
            now = rows[Delivery].get((seq,))
            if before.lease == writer:
                continue
            hold(isinstance(now, Delivery), f"{seq:x} was ended by a broker that did not hold it")
            assert isinstance(now, Delivery)
            hold(now.retried == before.retried, f"{seq:x} was settled by a broker that did not hold it")
        self._held = {one.seq: one for one in all_of(rows, Delivery) if one.lease is not None}


def _ends_are_final(rows: Rows) -> None:
    ended: Counter[int] = Counter()
    for event in all_of(rows, Event):
        if event.state in ENDS:
            ended[event.message] += 1
            hold((event.message,) not in rows[Delivery], f"{event.message:x} has ended and is still to be delivered")
    for seq, count in ended.items():
        hold(count == 1, f"{seq:x} has {count} ends")
    letters = Counter(letter.message for letter in all_of(rows, DeadLetter))
    failed = {event.message for event in all_of(rows, Event) if event.state == "FAILED"}
    hold(set(letters) == failed, "dead letters and failures do not belong together")
    told_of: set[int] = set()
    for message in all_of(rows, Message):
        if message.url == CALLBACK:
            told_of.add(_source(message))
    for message in all_of(rows, Message):
        if message.failure_callback and message.seq in failed:
            hold(message.seq in told_of, f"{message.seq:x} has failed and nobody is told")


def _source(message: Message) -> int:
    text = message.body.partition(b'"sourceMessageId":"msg_')[2][:16]
    return int(text, 16)


def _steps_are_there_once(rows: Rows) -> None:
    places: dict[int, list[int]] = {}
    for entry in all_of(rows, Entry):
        if entry.place is not None:
            places.setdefault(entry.run, []).append(entry.place)
    for run in all_of(rows, Run):
        found = sorted(places.get(run.seq, []))
        hold(found == list(range(len(found))), f"the list of {run.run_id} has the places {found}")
        hold(len(found) <= STEPS + 1, f"the list of {run.run_id} has {len(found)} entries")


def at_rest(world: World) -> None:
    """What holds when everything has been given the time to end."""
    rows, known = world.disk.rows, world.known
    left = all_of(rows, Delivery)
    hold(not left, f"{len(left)} messages never ended: {[f'{one.seq:x}' for one in left][:3]}")
    ended = {f"msg_{event.message:016x}": event.state for event in all_of(rows, Event) if event.state in ENDS}
    for message in known.acknowledged:
        hold(message in ended, f"{message} was acknowledged and is lost")
        hold(known.attempts[message] or message in known.canceled, f"{message} was never attempted")
        most = RETRIES + 1 + known.repeated[message]
        hold(
            known.attempts[message] <= most, f"{message} was attempted {known.attempts[message]} times, at most {most}"
        )
    states = {run.run_id: run.state for run in all_of(rows, Run)}
    for run in known.runs:
        hold(states.get(run) == "RUN_SUCCESS", f"{run} was acknowledged and is {states.get(run)}")
