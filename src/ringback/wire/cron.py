"""Cron expressions: five fields, names, ranges, steps, macros and a time zone, with the meaning Vixie cron gave them.

When clocks change (protocol 2.8 leaves it open, this is what Vixie cron does): a time of day that a spring change skips is taken
at the first moment after the gap; a time of day that an autumn change repeats is taken once, the first time. Expressions whose
minute or hour field begins with `*` follow the running of real time instead.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ringback.clock import Instant
from ringback.errors import Refused
from ringback.wire.remembered import remembered

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)
_LONGEST_TEXT = 256
_LONGEST_SEARCH_DAYS = 366 * 9
"""29 February can be eight years away."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    follows_clock: bool
    zone: ZoneInfo

    def next_at(self, after: Instant) -> Instant:
        """Return the first tick after an instant, both in milliseconds since the epoch.

        Raises:
            Refused: 400 when there is none.
        """
        if self.follows_clock:
            return self._next_by_clock(after)
        return self._next_by_wall(after)

    def _next_by_wall(self, after: Instant) -> Instant:
        """Walk the local days; each matching wall time is one instant, also where clocks change."""
        local = datetime.fromtimestamp(after / 1000, self.zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(days=1)
        for _ in range(_LONGEST_SEARCH_DAYS):
            if self._matches_day(day):
                for at in self._instants_of(day):
                    if at > after:
                        return at
            day += timedelta(days=1)
        raise _never()

    def _instants_of(self, day: datetime) -> list[Instant]:
        return sorted(
            {
                _instant(day.replace(hour=hour, minute=minute), self.zone)
                for hour in self.hours
                for minute in self.minutes
            }
        )

    def _next_by_clock(self, after: Instant) -> Instant:
        """Step through real time, so that every-so-often schedules neither skip nor bunch where clocks change."""
        moment = datetime.fromtimestamp(after // 60_000 * 60, UTC) + timedelta(minutes=1)
        for _ in range(_LONGEST_SEARCH_DAYS * 4):
            local = moment.astimezone(self.zone)
            if not self._matches_day(local):
                moment = _start_of_next_day(local, self.zone)
            elif local.hour not in self.hours:
                moment += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                later = next((minute for minute in self.minutes if minute > local.minute), 60)
                moment += timedelta(minutes=later - local.minute)
            else:
                return int(moment.timestamp()) * 1000
        raise _never()

    def _matches_day(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_month or by_week if self.either_day else by_month and by_week


@remembered(1024)
def parse(text: str) -> Cron:
    """Parse an expression, with an optional prefix `CRON_TZ=<zone> `; without it, the zone is UTC.

    Raises:
        Refused: 400, saying which field is wrong, or that it never comes true.
    """
    expression, zone = text.strip(), ZoneInfo("UTC")
    if len(expression) > _LONGEST_TEXT:
        raise _refused(text, f"longer than {_LONGEST_TEXT} characters")
    zoned = _ZONE.fullmatch(expression)
    if zoned:
        zone, expression = _zone(text, zoned.group(1)), zoned.group(2).strip()
    expression = _MACROS.get(expression.lower(), expression)
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise _refused(text, f"expected 5 fields, found {len(fields)}")
    minutes, hours, days, months, weekdays = (
        _values(text, value, *field) for value, field in zip(fields, _FIELDS, strict=True)
    )
    cron = Cron(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
        follows_clock=fields[0].startswith("*") or fields[1].startswith("*"),
        zone=zone,
    )
    cron.next_at(0)
    return cron


def _zone(text: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _refused(text, f"unknown time zone {name}") from error


def _values(text: str, value: str, name: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in value.split(","):
        spread, slash, step_text = part.partition("/")
        step = _number(text, name, step_text, 1, high + 1, {}) if slash else 1
        if spread in ("*", "?"):
            first, last = low, high
        else:
            start, dash, end = spread.partition("-")
            first = _number(text, name, start, low, high, names)
            last = _number(text, name, end, low, high, names) if dash else (high if slash else first)
        if first > last:
            raise _refused(text, f"{name} range {spread!r} runs backwards")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, value: str, low: int, high: int, names: dict[str, int]) -> int:
    known = names.get(value.lower())
    if known is not None:
        return known
    if not (value.isascii() and value.isdigit() and len(value) <= 3 and low <= int(value) <= high):
        raise _refused(text, f"{name} must be {low} to {high}, found {value!r}")
    return int(value)


def _instant(wall: datetime, zone: ZoneInfo) -> Instant:
    """Return when a wall time is; one that a change of clocks skips is the first moment after the gap."""
    aware = wall.replace(tzinfo=zone)
    there_and_back = aware.astimezone(UTC).astimezone(zone)
    if there_and_back.replace(tzinfo=None) == wall:
        return int(aware.timestamp()) * 1000
    before = (aware - timedelta(hours=3)).astimezone(UTC)
    low, high = int(before.timestamp()) // 60, int(aware.astimezone(UTC).timestamp()) // 60 + 180
    offset = datetime.fromtimestamp(low * 60, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle * 60, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high * 60_000


def _start_of_next_day(local: datetime, zone: ZoneInfo) -> datetime:
    midnight = local.replace(hour=0, minute=0, tzinfo=None, fold=0) + timedelta(days=1)
    return datetime.fromtimestamp(_instant(midnight, zone) / 1000, UTC)


def _refused(text: str, reason: str) -> Refused:
    return Refused(400, f"invalid header Upstash-Cron {text[:80]!r}: {reason}")


def _never() -> Refused:
    return Refused(400, "invalid header Upstash-Cron: it never comes true")
