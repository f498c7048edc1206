"""What has to happen in the histories on PostgreSQL beside what happens in all; see `simulation.happenings`."""

from simulation import happenings

HAPPENINGS = (
    *happenings.HAPPENINGS,
    "a broker waited at the door",
    "a broker was taken for dead and began anew",
    "a connection was reset",
    "a deadlock was broken",
    "a failure function was called",
    "a job was refused",
    "a lease that was believed in was gone",
    "a notice was lost",
    "a run failed that has a failure function",
    "a session stood idle in a transaction for too long",
    "a statement waited for a lock",
    "a transaction was cut off in the middle",
    "an answer to a commit was lost",
    "an event came for a wait that was over",
    "an event was kept for a run",
    "an event woke a run",
    "what was held up was tried again and is durable",
)
"""Each of it at least once in the histories of a test run."""
SELDOM = (
    "a dead letter was forgotten",
    "a deduplication id was free again",
    "a record was made by somebody else meanwhile and is locked",
    "a failure function failed for good",
    "a failure function was called again",
    "a failure function was given up",
    "a schedule made up for what was missed",
    "a statement waited for a lock for too long",
    "a transaction was held up again",
    "an answer came when the lease was lost",
    "many dead letters were begun again",
    "the server said UniqueViolationError",
)
"""What may happen too; nothing else is counted."""
SHOW_IT = (59, 19, 12)
"""Seeds in which all of it happened that does not in the first four, when this was written."""
