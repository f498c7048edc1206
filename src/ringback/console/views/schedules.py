"""Cron expressions in words, and when they come next."""

import re

from cron_descriptor import CasingTypeEnum, Options, get_description
from cron_descriptor.Exception import FormatError

from ringback.clock import Instant
from ringback.errors import Refused
from ringback.wire import cron

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)


def in_words(expression: str) -> str:
    """Return when a schedule ticks, as a sentence; the expression itself where nobody has words for it."""
    zoned = _ZONE.fullmatch(expression.strip())
    zone, fields = (zoned[1], zoned[2].strip()) if zoned else ("UTC", expression.strip())
    try:
        told = get_description(fields, _options())
    except (FormatError, ValueError, IndexError, KeyError):
        return expression
    return f"{told} ({zone})"


def next_ticks(expression: str, now: Instant, count: int = 5) -> list[Instant]:
    """Return the next ticks, in milliseconds since the epoch."""
    found: list[Instant] = []
    try:
        parsed = cron.parse(expression)
        for _ in range(count):
            found.append(parsed.next_at(found[-1] if found else now))
    except Refused:
        pass
    return found


def _options() -> Options:
    options = Options()
    options.casing_type = CasingTypeEnum.Sentence
    options.use_24hour_time_format = True
    options.locale_code = "en_US"
    return options
