"""Flow-control keys (protocol 2.11)."""

from collections.abc import Callable

from msgspec.structs import replace

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import read_flag
from ringback.broker.operations import queues
from ringback.broker.records import Delivery, Lane
from ringback.broker.rules import lanes
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction, Where
from ringback.errors import Refused
from ringback.wire import duration
from ringback.wire.flow_control import check_key
from ringback.wire.http import Response

_LONGEST_PERIOD = 7 * 24 * 3600


def list_all(call: Call) -> Answer:
    """List the flow-control keys, as a bare array; `search` is part of the name."""
    search = dict(call.query()).get("search", "")

    def job(tx: Transaction) -> Response:
        now = call.desk.clock()
        known = (flow for flow in queues.list_lanes(tx, "flow", call.tenant.name) if queues.is_known(flow, now))
        return json_response(200, [_shape(flow, now) for flow in known if search in flow.name])

    return call.desk.read(job)


def get(call: Call) -> Answer:
    """Show a flow-control key: limits, and what is used of them."""
    key = call.names["key"]

    def job(tx: Transaction) -> Response:
        flow = tx.get(Lane, call.tenant.name, "flow", key)
        if flow is None or not queues.is_known(flow, call.desk.clock()):
            raise Refused(404, f"flow control key {key} not found")
        return json_response(200, _shape(flow, call.desk.clock()))

    return call.desk.read(job)


def pause(call: Call) -> Answer:
    """Let nothing more start under a key, also one never seen."""
    return _change(call, lambda flow, _: replace(flow, paused=True))


def resume(call: Call) -> Answer:
    """Let a key go on."""
    return _change(call, lambda flow, _: replace(flow, paused=False))


def reset_rate(call: Call) -> Answer:
    """Set a key's count to 0 and begin a new period now."""
    return _change(call, lambda flow, now: replace(flow, rate_count=0, period_at=now))


def pin(call: Call) -> Answer:
    """Hold the given limits of a key against what messages ask for."""
    asked = dict(call.query())
    parallelism = _positive("parallelism", asked.get("parallelism"))
    rate = _positive("rate", asked.get("rate"))
    period = _period(asked.get("period"))
    if parallelism is None and rate is None:
        raise Refused(400, "pin needs parallelism or rate, or both")

    def pinned(flow: Lane, now: int) -> Lane:
        if parallelism is not None:
            flow = replace(flow, parallelism=parallelism, pinned_parallelism=True)
        if rate is not None:
            flow = replace(flow, rate=rate, period=period, pinned_rate=True)
        return replace(flow, rate_count=0, period_at=now)

    return _change(call, pinned)


def unpin(call: Call) -> Answer:
    """Let messages set the limits of a key again; values stay until one brings others."""
    parallelism, rate = read_flag(call, "parallelism"), read_flag(call, "rate")

    def unpinned(flow: Lane, _: int) -> Lane:
        return replace(
            flow,
            pinned_parallelism=flow.pinned_parallelism and not parallelism,
            pinned_rate=flow.pinned_rate and not rate,
        )

    return _change(call, unpinned)


def global_parallelism(call: Call) -> Answer:
    """Show how many attempts are in flight, and how many there may be."""

    def job(tx: Transaction) -> Response:
        in_flight = tx.count(Delivery, Where("lease", "not null"), Where("tenant", "=", call.tenant.name))
        return json_response(200, {"parallelismMax": call.settings.in_flight, "parallelismCount": in_flight})

    return call.desk.read(job)


def _change(call: Call, how: Callable[[Lane, int], Lane]) -> Answer:
    key = call.names["key"]
    check_key("flow control key", key)

    def job(tx: Transaction, moment: Moment) -> Response:
        queues.change_flow(tx, call.tenant.name, key, moment, lambda flow: how(flow, moment.now))
        return json_response(200, {})

    return call.desk.write_anyhow(job)


def _shape(flow: Lane, now: int) -> dict[str, object]:
    flow = lanes.rolled(flow, now)
    waiting = flow.waiting
    return {
        "flowControlKey": flow.name,
        "waitListSize": waiting,
        "waitlistSize": waiting,
        "parallelismMax": flow.parallelism or 0,
        "parallelismCount": flow.active,
        "rateMax": flow.rate or 0,
        "rateCount": flow.rate_count,
        "ratePeriod": flow.period,
        "ratePeriodStart": flow.period_at // 1000,
        "isPaused": flow.paused,
        "isPinnedParallelism": flow.pinned_parallelism,
        "isPinnedRate": flow.pinned_rate,
    }


def _positive(name: str, text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise Refused(400, f"invalid {name} {text!r}: expected a whole number of at least 1")
    return int(text)


def _period(text: str | None) -> int:
    """A bare number is seconds; a duration is fine too."""
    if not text:
        return 1
    bare = text.isascii() and text.isdigit() and len(text) < 10
    seconds = int(text) if bare else duration.parse_field("period", text) // 1000
    if not 1 <= seconds <= _LONGEST_PERIOD:
        raise Refused(400, f"invalid period {text!r}: expected 1 second to 1 week")
    return seconds
