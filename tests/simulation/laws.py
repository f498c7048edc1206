"""The laws about all that is durable: what must hold each time the disk has synced, and what when all has come to rest."""

from collections import Counter
from typing import TypeVar

from ringback.broker.records import DeadLetter, Delivery, Entry, Lane, Message, Record, Run
from ringback.broker.stores.memory import Rows
from simulation.endpoints import CALLBACK, STEPS
from simulation.verdict import hold
from simulation.world import World

R = TypeVar("R", bound=Record)


def all_of(rows: Rows, kind: type[R]) -> list[R]:
    """Return all records of a kind."""
    return [record for record in rows[kind].values() if isinstance(record, kind)]


def always(world: World) -> None:
    """What holds after each sync."""
    rows = world.account.rows
    held: Counter[tuple[str, str]] = Counter()
    waiting: Counter[tuple[str, str]] = Counter()
    for delivery in all_of(rows, Delivery):
        places = (delivery.wake_at is not None) + (delivery.lane is not None) + (delivery.lease is not None)
        hold(places == 1, f"{delivery.seq:x} stands in {places} places at once")
        message = rows[Message][delivery.seq,]
        assert isinstance(message, Message)
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
    _nothing_is_lost(world)
    _failures_are_told(world)
    _steps_are_there_once(rows)


def _nothing_is_lost(world: World) -> None:
    """What was acknowledged waits, is attempted, or has ended; so does what a run that goes on lives by."""
    account, deliveries = world.account, all_of(world.account.rows, Delivery)
    pending = {delivery.seq for delivery in deliveries}
    for seq in world.known.acknowledged:
        hold(seq in pending or seq in account.ended, f"{seq:x} was acknowledged and is lost")
    moved = {delivery.run for delivery in deliveries}
    runs = {run.run_id: run for run in all_of(account.rows, Run)}
    for name in world.known.runs:
        hold(name in runs, f"{name} was acknowledged and is lost")
    for run in runs.values():
        hold(run.state != "RUN_STARTED" or run.seq in moved, f"nothing moves {run.run_id}, and it has not ended")


def _failures_are_told(world: World) -> None:
    rows, ended = world.account.rows, world.account.ended
    failed = {seq for seq, state in ended.items() if state == "FAILED"}
    letters = Counter(letter.message for letter in all_of(rows, DeadLetter))
    hold(letters == Counter(failed), "dead letters and failures do not belong together")
    messages = all_of(rows, Message)
    told_of = {_source(message) for message in messages if message.url == CALLBACK}
    for message in messages:
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
    account, known = world.account, world.known
    left = all_of(account.rows, Delivery)
    hold(not left, f"{len(left)} messages never ended: {[f'{one.seq:x}' for one in left][:3]}")
    for seq in known.acknowledged:
        hold(seq in account.ended, f"{seq:x} never ended")
        hold(world.witness.requests[seq] or seq in known.canceled, f"{seq:x} was never attempted")
    states = {run.run_id: run.state for run in all_of(account.rows, Run)}
    for run in known.runs:
        hold(states.get(run) == "RUN_SUCCESS", f"{run} was acknowledged and is {states.get(run)}")
