"""Nobody is stuck: a schedule on the broker calls Studio every minute, which looks after jobs that do not get on.

It needs no process of its own, so it works where none stays up. `video-studio watch` makes the schedule.
`standing` asks the broker how it is with a job, `rules` says what follows from that, `look` does it.
"""

from ringback_video.watchdog.look import Seen, look
from ringback_video.watchdog.routes import SCHEDULE_ID, WATCHDOG_PATH, routes, watch

__all__ = ["SCHEDULE_ID", "WATCHDOG_PATH", "Seen", "look", "routes", "watch"]
