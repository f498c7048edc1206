"""Schedules: when they tick, run now, pause."""

from ringback.client.calls import segment
from ringback.client.diagnosis import why
from ringback.client.insight import run_schedule
from ringback.client.management import (
    delete_schedule,
    events,
    pause_schedule,
    resume_schedule,
    schedule,
    schedules,
)
from ringback.console.screens import ROOT, Deed, Done, Screen, Section, Values, Visit
from ringback.console.views.history import newest_of_each
from ringback.console.views.schedules import in_words, next_ticks
from ringback.console.views.words import body_of

_SHOWN = 500


async def load_all(visit: Visit) -> Values:
    """All schedules."""
    found = await visit.ask(schedules())
    shown = [(one, in_words(one["cron"])) for one in found[:_SHOWN]]
    return {"schedules": shown, "more": max(0, len(found) - _SHOWN)}


async def load_one(visit: Visit) -> Values:
    """One schedule, its next ticks, and what it made lately."""
    id_ = visit.path["schedule"]
    found = await visit.ask(schedule(id_))
    recent = await visit.ask(events({"scheduleId": id_}, count=60))
    causes = (await visit.ask(why(id_)))["causes"]
    return {
        "schedule": found,
        "causes": causes,
        "told": in_words(found["cron"]),
        "body": body_of(found, "body"),
        "ticks": [] if found["isPaused"] else next_ticks(found["cron"], visit.now),
        "events": newest_of_each(recent.items)[:20],
    }


async def run(visit: Visit) -> Done:
    """Tick now."""
    made = await visit.ask(run_schedule(visit.path["schedule"]))
    to = f"{ROOT}/messages/{made[0]}" if len(made) == 1 else _here(visit)
    return Done(f"It ran: {len(made)} {'message' if len(made) == 1 else 'messages'}. The next tick stays.", to)


async def pause(visit: Visit) -> Done:
    """Pause."""
    await visit.ask(pause_schedule(visit.path["schedule"]))
    return Done("The schedule is paused; ticks meanwhile are not made up for.", _here(visit))


async def resume(visit: Visit) -> Done:
    """Resume."""
    await visit.ask(resume_schedule(visit.path["schedule"]))
    return Done("The schedule goes on.", _here(visit))


async def delete(visit: Visit) -> Done:
    """Delete."""
    await visit.ask(delete_schedule(visit.path["schedule"]))
    return Done(f"The schedule {visit.path['schedule']} is gone; what it has made goes on.", f"{ROOT}/schedules")


def _here(visit: Visit) -> str:
    return f"{ROOT}/schedules/{segment(visit.path['schedule'])}"


SECTION = Section(
    (
        Screen("/schedules", "schedules.html", load_all, "Schedules", "Manage", live=True),
        Screen("/schedules/{schedule}", "schedule.html", load_one, "Schedule", live=True),
    ),
    (
        Deed("/schedules/{schedule}/run", run),
        Deed("/schedules/{schedule}/pause", pause),
        Deed("/schedules/{schedule}/resume", resume),
        Deed("/schedules/{schedule}/delete", delete),
    ),
)
