"""What is to be done about a job that does not get on: a pure reading of what the broker says."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ringback_video.watchdog.standing import Standing

QUIET = timedelta(minutes=10)
"""So long without progress, the broker is asked."""
LONGEST = timedelta(hours=2)
"""So long without progress, a job is ended, with a reason."""
LONGEST_IN_LINE = timedelta(days=1)
"""The same for a job that only waits for others to be done, or for somebody to open a line again."""
MOST_REVIVALS = 3
_IN_LINE = frozenset({"in line", "paused"})


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be done.

    Attributes:
        what: `wait`, saying why; `resume` the run from its dead letter, with all it had recorded; `publish` the job again,
            so that a new run finds what the old ones have ordered; `end` it.
        why: for a person.
    """

    what: Literal["wait", "resume", "publish", "end"]
    why: str


def decide(standing: Standing, quiet: timedelta, revived: int) -> Act:
    """Say what is to be done about a job.

    Args:
        standing: what the broker says of it.
        quiet: how long it has made no progress.
        revived: how often it was resumed or published again before.
    """
    if standing.is_hopeless and not standing.is_ending:
        return Act("end", standing.text)
    if quiet >= (LONGEST_IN_LINE if standing.kind in _IN_LINE else LONGEST):
        return Act("end", standing.text)
    if standing.where == "silent" or standing.is_ending:
        return Act("wait", standing.text)
    if standing.where == "going" and standing.kind != "nothing left":
        return Act("wait", standing.text)
    if revived >= MOST_REVIVALS:
        return Act("end", f"{standing.text}; begun again {revived} times before")
    return Act("resume" if standing.where == "failed" else "publish", standing.text)
