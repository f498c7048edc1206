"""The laws about all that is durable: what must hold each time the disk has synced, and what when all has come to rest."""

from collections import Counter
from typing import TypeVar

from ringback.broker.records import Delivery, Entry, Lane, Message, Record, Run, Schedule, Waiter
from ringback.broker.stores.memory import Rows
from simulation import functions
from simulation.endpoints import STEPS
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
        name = message.queue or message.holds or ""
        queue = rows[Lane].get((delivery.tenant, "queue", name))
        if delivery.queued and isinstance(queue, Lane) and delivery.queue_made_at in (0, queue.created_at):
            held["queue", name] += 1
        if message.flow and delivery.lease is not None:
            held["flow", message.flow.key] += 1
        if delivery.lane:
            kind, _, name = delivery.lane.split("\x1f")
            waiting[kind, name] += 1
    for lane in all_of(rows, Lane):
        active, line = held[lane.kind, lane.name], waiting[lane.kind, lane.name]
        hold(lane.active == active or lane.deleting, f"{lane.name} counts {lane.active} slots, {active} are taken")
        hold(lane.waiting == line, f"{lane.name} counts {lane.waiting} waiting, {line} are")
    _nothing_is_lost(world)
    _steps_are_there_once(rows)


def _nothing_is_lost(world: World) -> None:
    """What was acknowledged waits, is attempted, or has ended; so does what a run that goes on lives by."""
    account, deliveries = world.account, all_of(world.account.rows, Delivery)
    pending = {delivery.seq for delivery in deliveries}
    for seq in world.known.acknowledged:
        hold(seq in pending or seq in account.ended, f"{seq:x} was acknowledged and is lost")
    for name in world.known.schedules:
        hold(("one", name) in account.rows[Schedule], f"{name} was acknowledged and is lost")
    moved = {delivery.run for delivery in deliveries} | {one.run for one in all_of(account.rows, Waiter)}
    moved |= {
        run.invoker.run for run in all_of(account.rows, Run) if run.invoker is not None and run.state == "RUN_STARTED"
    }
    runs = {run.run_id: run for run in all_of(account.rows, Run)}
    for name in world.known.runs:
        hold(name in runs or name in account.run_ends, f"{name} was acknowledged and is lost")
    for run in runs.values():
        hold(run.state != "RUN_STARTED" or run.seq in moved, f"nothing moves {run.run_id}, and it has not ended")


def _steps_are_there_once(rows: Rows) -> None:
    places: dict[int, list[int]] = {}
    steps: Counter[int] = Counter()
    for entry in all_of(rows, Entry):
        if entry.place is not None:
            places.setdefault(entry.run, []).append(entry.place)
            steps[entry.run] += entry.call_type == "step"
    for run in all_of(rows, Run):
        found = sorted(places.get(run.seq, []))
        hold(found == list(range(len(found))), f"the list of {run.run_id} has the places {found}")
        hold(steps[run.seq] <= STEPS + 1, f"the list of {run.run_id} has {steps[run.seq]} entries")
        called = len(found) - steps[run.seq]
        hold(called <= 2, f"the list of {run.run_id} has {called} entries of its one call")


def at_rest(world: World) -> None:
    """What holds when everything has been given the time to end."""
    account, known = world.account, world.known
    left = all_of(account.rows, Delivery)
    hold(not left, f"{len(left)} messages never ended: {[f'{one.seq:x}' for one in left][:3]}")
    for seq in known.acknowledged:
        hold(seq in account.ended, f"{seq:x} never ended")
        hold(world.witness.requests[seq] or account.ended[seq] == "CANCELED", f"{seq:x} was never attempted")
    for run in known.runs:
        state = account.run_ends.get(run, "RUN_STARTED")
        is_as_wanted = (
            state == "RUN_SUCCESS"
            or (state == "RUN_FAILED" and run in known.given_up)
            or (state == "RUN_CANCELED" and known.runs_are_canceled and run in known.labelled)
            or (state == "RUN_CANCELED" and run in known.runs_canceled)
        )
        hold(is_as_wanted, f"{run} was acknowledged and is {state}")
    functions.at_rest(world)
