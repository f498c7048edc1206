"""The closing account: what was found is what went over and what stayed, or the account says what does not fit. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ringback.importing.bullmq.jobs import STATES
from ringback.importing.bullmq.ledger import OPEN, Row
from ringback.importing.bullmq.plans import name_of
from ringback.importing.bullmq.survey import Survey


@dataclass(frozen=True, slots=True)
class Line:
    """One state's line.

    Attributes:
        found: at the beginning.
        published, buried, parked, scheduled: what went over, and how.
        stayed: what is still in BullMQ.
    """

    state: str
    found: int = 0
    published: int = 0
    buried: int = 0
    parked: int = 0
    scheduled: int = 0
    stayed: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one queue's import.

    Attributes:
        lines: one for each state that occurs.
        found, moved, stayed: sums over all states; jobs change their state while they wait, so it is the sums that balance.
        known: messages of the import that the broker has on record.
        taken: jobs that were found and are neither here nor there: workers had them. Negative: so many came meanwhile.
        problems: what does not fit; empty when the account balances.
    """

    lines: list[Line]
    found: int
    moved: int
    stayed: int
    known: int
    taken: int
    problems: list[str] = field(default_factory=list)


def close(rows: Iterable[Row], baseline: str, after: Survey, known: Mapping[str, set[str]]) -> Account:
    """Return the account.

    Args:
        rows: the ledger.
        baseline: what was found at the beginning, as `Survey.baseline` wrote it.
        after: what is in BullMQ now.
        known: the messages of this import that the broker has on record, by the label of their job.
    """
    begun = json.loads(baseline)
    moved: Counter[tuple[str, str]] = Counter()
    problems = []
    open_rows = 0
    for row in rows:
        open_rows += row.phase in OPEN
        if row.phase == "moved":
            moved[row.state, row.action] += 1
            if row.action != "schedule":
                problems += _at_the_broker(row, known.get(name_of(row.token, row.field), set()))
    found = Counter(begun["found"])
    lines = [_line(state, found, moved, after) for state in STATES]
    totals = found.total(), moved.total(), after.found.total()
    taken = totals[0] - totals[1] - totals[2]
    if open_rows:
        problems.append(f"{open_rows} jobs are claimed and not confirmed: run the import again")
    if taken > 0 and begun["quiet"]:
        problems.append(f"{taken} jobs are neither moved nor left: something took them although the queue was paused")
    on_record = sum(map(len, known.values()))
    return Account([line for line in lines if line != Line(line.state)], *totals, on_record, taken, problems)


def _line(state: str, found: Counter[str], moved: Counter[tuple[str, str]], after: Survey) -> Line:
    return Line(
        state,
        found[state],
        moved[state, "publish"],
        moved[state, "letter"],
        moved[state, "park"],
        moved[state, "schedule"],
        after.found[state],
    )


def _at_the_broker(row: Row, known: set[str]) -> list[str]:
    """Compare what the ledger says of a job with what the broker has; a dead letter sent again is one more message."""
    ledger = set(row.sent.split(","))
    if not ledger <= known:
        return [f"job {row.id}: the broker has no record of {', '.join(sorted(ledger - known))}"]
    if row.action != "letter" and known != ledger:
        return [f"job {row.id}: the broker has {len(known)} messages for it, the ledger {len(ledger)}"]
    return []
