"""Letting a due message pass its lanes and start, as far as there is room."""

from msgspec import Struct
from msgspec.structs import replace

from ringback.broker.changes import Changes, Handed
from ringback.broker.records import Delivery, Lane, Message
from ringback.broker.rules import lanes
from ringback.broker.rules.moment import Moment


class Lanes(Struct):
    """The lanes one message passes, None where it passes no such lane."""

    queue: Lane | None = None
    flow: Lane | None = None


def admit(message: Message, delivery: Delivery, passed: Lanes, moment: Moment, *, first: bool = False) -> Changes:
    """Decide where a due message goes: into its queue's or its key's line, or into an attempt.

    Args:
        message: the message.
        delivery: where it stands; its time has come.
        passed: the lanes it has to pass.
        moment: the time, and the node that may start attempts.
        first: it stands first in the line of the lane it is in; others must not be overtaken.
    """
    changes = Changes()
    delivery = replace(delivery, wake_at=None, lane=None)
    queue, flow = passed.queue, passed.flow
    if queue is not None and lanes.next_lane(message, delivery) == "queue":
        if not _may_pass(queue, moment, first):
            return _wait(changes, delivery, queue, moment)
        delivery = replace(delivery, queued=True)
        changes.put.append(lanes.alarmed(lanes.taken(queue, moment.now), moment.now))
        first = False
    if flow is not None:
        if not _may_pass(flow, moment, first):
            return _wait(changes, delivery, flow, moment)
        changes.put.append(lanes.alarmed(lanes.taken(flow, moment.now), moment.now))
    elif moment.lease is None:
        changes.put.append(replace(delivery, wake_at=moment.now))
        return changes
    delivery = replace(delivery, lease=moment.lease)
    changes.put.append(delivery)
    changes.handed.append(Handed(message, delivery))
    return changes


def _may_pass(lane: Lane, moment: Moment, first: bool) -> bool:
    return moment.lease is not None and (first or not lane.waiting) and lanes.free(lane, moment.now) > 0


def _wait(changes: Changes, delivery: Delivery, lane: Lane, moment: Moment) -> Changes:
    changes.put.append(replace(delivery, lane=lanes.address(lane.kind, lane.tenant, lane.name)))
    changes.put.append(lanes.joined(lane, moment.now))
    return changes
