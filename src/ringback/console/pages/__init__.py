"""The pages, subject by subject: which calls each makes, and what can be done there."""

from ringback.console.pages import (
    access,
    builder,
    dead_letters,
    find,
    groups,
    history,
    lanes,
    overview,
    runs,
    schedules,
)

SECTIONS = tuple(
    one.SECTION for one in (overview, history, runs, dead_letters, lanes, schedules, groups, builder, access, find)
)
"""In the order of the navigation."""
