"""Messages per day: what one account publishes between midnight and midnight UTC (protocol 1.5).

A run counts once, when it is started from outside: what was let in may end, so its steps, calls and children count no more,
and neither do callbacks, ticks of schedules and what is begun again.
"""

from ringback.broker.changes import Changes
from ringback.broker.records import DailyCount
from ringback.broker.rules.moment import Moment
from ringback.broker.stores.contract import Transaction
from ringback.errors import Refused

_DAY_MS = 86_400_000


def count_message(tx: Transaction, tenant: str, most: int | None, moment: Moment) -> None:
    """Count a message that is being accepted.

    Raises:
        Refused: 429 with the headers that clients tell this limit by.
    """
    if most is None:
        return
    day = moment.now // _DAY_MS
    known = tx.get(DailyCount, tenant)
    count = known.count if known is not None and known.day == day else 0
    if count >= most:
        told = (("Limit", most), ("Remaining", 0), ("Reset", (day + 1) * 86_400))
        headers = tuple((f"RateLimit-{name}", str(value)) for name, value in told)
        raise Refused(429, f"quota maxMessagesPerDay exceeded, current limit: {most}", headers)
    tx.apply(Changes(put=[DailyCount(tenant, day, count + 1)]))
