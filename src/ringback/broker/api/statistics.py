"""How an account is doing, in numbers; an addition to the reference's API."""

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.operations.statistics import LONGEST, minutes_of
from ringback.broker.records import MinuteCounts
from ringback.broker.rules.counting import BOUNDS_MS, MINUTE_MS
from ringback.errors import Refused
from ringback.wire.http import Response

_USUAL = 60


def get(call: Call) -> Answer:
    """Count by the minute what happened, and show how much there is now."""
    asked = dict(call.query())
    return _statistics(call, _minutes(asked.get("minutes")), wait=asked.get("wait", "true").lower() != "false")


async def _statistics(call: Call, minutes: int, *, wait: bool) -> Response:
    now = call.desk.clock()
    level = await (call.levels.get if wait else call.levels.soon)(call.tenant.name)
    counts = await call.desk.read(lambda tx: minutes_of(tx, call.tenant.name, minutes, now))
    return json_response(
        200,
        {
            "now": now,
            "pending": level and level.pending,
            "inFlight": level and level.in_flight,
            "deadLetters": level and level.dead,
            "attemptBoundsMs": BOUNDS_MS,
            "minutes": [_shape(one) for one in counts],
        },
    )


def _shape(one: MinuteCounts) -> dict[str, object]:
    return {
        "time": one.minute * MINUTE_MS,
        "accepted": one.accepted,
        "delivered": one.delivered,
        "failed": one.failed,
        "canceled": one.canceled,
        "errors": one.errors,
        "retries": one.retries,
        "attemptMs": one.attempt_ms,
        "attempts": one.attempts,
    }


def _minutes(text: str | None) -> int:
    if text is None:
        return _USUAL
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LONGEST):
        raise Refused(400, f"invalid minutes {text[:20]!r}: expected a whole number from 1 to {LONGEST}")
    return int(text)
