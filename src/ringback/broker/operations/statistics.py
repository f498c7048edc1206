"""What an account does and has: counts by the minute, and how much there is now."""

from dataclasses import dataclass

from ringback.broker.operations.desk import Desk
from ringback.broker.records import DeadLetter, Delivery, MinuteCounts
from ringback.broker.rules.counting import MINUTE_MS, summed
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.clock import elapsed

LONGEST = 48 * 60
"""Minutes that counts are kept."""
_NODES = 64


@dataclass(frozen=True, slots=True)
class Level:
    """How much there is.

    Attributes:
        pending: messages that have not ended.
        in_flight: those of them that are being attempted.
        dead: dead letters.
    """

    pending: int
    in_flight: int
    dead: int


def minutes_of(tx: Transaction, tenant: str, minutes: int, now: int) -> list[MinuteCounts]:
    """Return the counts of the last `minutes` minutes, oldest first; minutes in which nothing happened are left out."""
    since = now // MINUTE_MS - minutes + 1
    where = (Where("tenant", "=", tenant), Where("minute", ">=", since))
    return summed(tx.find(MinuteCounts, Query(where, order=("minute",), limit=minutes * _NODES)))


def level_of(tx: Transaction, tenant: str) -> Level:
    """Count what there is; takes the longer, the more there is."""
    mine = Where("tenant", "=", tenant)
    return Level(
        tx.count(Delivery, mine), tx.count(Delivery, Where("lease", "not null"), mine), tx.count(DeadLetter, mine)
    )


class Levels:
    """Levels that are counted anew only after a pause fifty times as long as the counting took.

    Args:
        desk: where they are counted.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[str, tuple[float, Level]] = {}

    async def get(self, tenant: str) -> Level:
        """Return how much an account has, perhaps as it was a moment ago."""
        begun = elapsed()
        known = self._known.get(tenant)
        if known is not None and begun < known[0]:
            return known[1]
        level = await self._desk.read(lambda tx: level_of(tx, tenant))
        self._known[tenant] = (elapsed() + 50 * (elapsed() - begun), level)
        return level
