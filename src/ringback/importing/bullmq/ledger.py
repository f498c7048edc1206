"""The ledger: one row for each job that was taken out of BullMQ, kept in Redis beside the queue. Pure.

A row goes `claimed` → `sending` → `moved`, or to `returned` when its job was put back. A change is written only over the very
row it was made from, so that whoever else works on the ledger is noticed.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

Phase = Literal["claimed", "sending", "moved", "returned"]

OPEN: tuple[Phase, ...] = ("claimed", "sending")


@dataclass(frozen=True, slots=True)
class Row:
    """One job or schedule in the ledger.

    Attributes:
        field: its name in the ledger: `<timestamp>:<job id>`, or `schedule:<key>`, or `keep-last:<n>:<id>`.
        text: the row as it was read, what a change is compared with.
        score: where it stood in a sorted set; for an entry of a list of versions up to 3 its priority.
        seq: rows in the order of their claims.
        pscore: score of the next run that was taken along with a schedule.
        phase: how far it is.
        place: where it was taken from: a list or set of the queue, `repeat` or `keep-last`.
        state: what a person calls that.
        id: id of the job, key of the schedule, or deduplication id of the keep-last job.
        pending: id of the schedule's next run; it was taken along where there is a `pscore`.
        action: how it goes over: publish, letter, park, schedule.
        sent: what it became: a message id, a dead letter's id or a schedule's id.
        reason: why it was put back.
        token: of the import it belongs to; an import after a rollback has another.
    """

    field: str
    text: str
    score: str = ""
    seq: int = 0
    pscore: str = ""
    phase: Phase = "claimed"
    place: str = ""
    state: str = ""
    id: str = ""
    pending: str = ""
    action: str = ""
    sent: str = ""
    reason: str = ""
    token: str = ""

    def to(self, phase: Phase, *, action: str = "", sent: str = "", reason: str = "") -> "Row":
        """Return the row in another phase; `text` stays what it is compared with until it is written."""
        return replace(self, phase=phase, action=action or self.action, sent=sent or self.sent, reason=reason)

    def without_next_run(self) -> "Row":
        """Return the row, as written, of a schedule whose next run was given back."""
        changed = replace(self, pscore="")
        return replace(changed, text=encode(changed))


def encode(row: Row) -> str:
    """Return the text of a row."""
    values = asdict(row)
    del values["field"], values["text"]
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"))


def tail(row: Row) -> str:
    """Return the text of a row without what only the claim itself can know: its score, number and the pending score."""
    values = asdict(row)
    for name in ("field", "text", "score", "seq", "pscore"):
        del values[name]
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"))[1:]


def decode(field: str, text: str) -> Row:
    """Return the row of a text."""
    return Row(field=field, text=text, **json.loads(text))
