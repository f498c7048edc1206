"""Orders of which nobody knows whether a provider has taken them: parked until a person decides, or the provider calls.

A decision is written down first and told to the waiting run then; one that could not be told is told by the watchdog.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ringback.client import WorkflowClient
from ringback.errors import Refused, RingbackError
from ringback.workflow import ParkedCharge
from ringback_video import ledger
from ringback_video.jobs import Job, Status, load, move, note
from ringback_video.problems import Problem
from ringback_video.studio import Studio
from ringback_video.tables import Table, now

LONGEST_OPERATION = 500
_WAITING = "Whether the provider has taken the order is not known; a person looks into it. Nothing is ordered twice."


class Decision(StrEnum):
    """What a person finds out at the provider, and wants."""

    MADE = "made"
    ORDER_AGAIN = "order again"
    GIVE_UP = "give up"


class ParkedOrder(Table):
    """An order that waits for a decision, or has got one; a job has one at most."""

    __tablename__ = "parked_orders"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(64))
    event_id: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(String(1000))
    at: Mapped[datetime]
    decision: Mapped[str | None] = mapped_column(String(16))
    operation_id: Mapped[str | None] = mapped_column(String(LONGEST_OPERATION))
    decided_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]


def park(studio: Studio, job_id: str, charge: ParkedCharge) -> None:
    """Write down that a run waits for a person; where the provider has called meanwhile, that decides."""
    with studio.database.transaction() as session:
        job = load(session, job_id, lock=True)
        if job.sent_at is None:
            return  # done again after its answer was lost, and a person has decided meanwhile
        _write_down(session, job, charge.workflow_run_id, charge.event_id, charge.reason)
        if job.operation_id is not None:
            decided_by_itself(session, job)
        elif not job.is_over:
            job.waiting_for, job.updated_at = _WAITING, now()
            note(session, job, _WAITING)
    tell(studio, job_id)


def park_unclear(session: Session, job: Job, reason: str) -> None:
    """For a run that has failed between sending and answer: what it has cost is still to be found out."""
    if job.sent_at is not None and job.operation_id is None and session.get(ParkedOrder, job.id) is None:
        _write_down(session, job, job.run_id or "", f"charge:{job.id}", reason)


def decided_by_itself(session: Session, job: Job) -> None:
    """The operation of a job has become known: an order that is parked was made."""
    order = session.get(ParkedOrder, job.id)
    if order is not None and order.decision is None:
        _made(session, job, order, job.operation_id or "")


def undecided(session: Session) -> list[tuple[ParkedOrder, Job]]:
    """Return what waits for a person, the oldest first."""
    waiting = select(ParkedOrder, Job).join(Job).where(ParkedOrder.decision.is_(None)).order_by(ParkedOrder.at)
    return [(order, job) for order, job in session.execute(waiting.limit(1000))]


def decide(studio: Studio, job_id: str, decision: Decision, operation_id: str | None = None) -> None:
    """Decide about a parked order; the same decision twice is one.

    Args:
        studio: its parts.
        job_id: whose order.
        decision: `made`: the job goes on with this operation. `order again`: it was not made, and is sent once more.
            `give up`: it was not made, the job ends and nothing is charged.
        operation_id: the provider's id of what was made.

    Raises:
        Problem: nothing is parked there, it was decided otherwise, or the operation is missing.
    """
    with studio.database.transaction() as session:
        job = session.get(Job, job_id, with_for_update=True)
        order = session.get(ParkedOrder, job_id)
        if job is None or order is None:
            raise Problem(404, "Nothing to decide", f"No order of a job {job_id!r} is parked.", "jobId")
        if order.decision is None:
            _decide(session, job, order, decision, operation_id)
        elif order.decision != decision:
            raise Problem(409, "Decided already", f"It was decided before: {order.decision}.", "decision")
    tell(studio, job_id)


def tell(studio: Studio, job_id: str) -> bool:
    """Tell a decision to the run that waits for it; False if the broker cannot be reached."""
    with studio.database.transaction() as session:
        order = session.get(ParkedOrder, job_id)
        if order is None or order.decision is None or order.told_at is not None:
            return True
        run_id, event_id, decision, operation_id = order.run_id, order.event_id, order.decision, order.operation_id
    data = {
        Decision.MADE: {"charged": operation_id},
        Decision.ORDER_AGAIN: {"send": True},
        Decision.GIVE_UP: {"abandon": "a person found that the order was not made"},
    }[Decision(decision)]
    try:
        with WorkflowClient(studio.broker) as client:
            client.notify(event_id, data, run_id)
    except Refused as refused:
        if refused.status != 404:
            return False
    except RingbackError:
        return False
    with studio.database.transaction() as session:
        session.get_one(ParkedOrder, job_id, with_for_update=True).told_at = now()
    return True


def untold(session: Session) -> list[str]:
    """Return jobs whose decision has not reached the run."""
    waiting = select(ParkedOrder.job_id).where(ParkedOrder.decision.is_not(None), ParkedOrder.told_at.is_(None))
    return list(session.scalars(waiting.limit(100)))


def _write_down(session: Session, job: Job, run_id: str, event_id: str, reason: str) -> None:
    order = session.get(ParkedOrder, job.id) or ParkedOrder(job_id=job.id)
    order.run_id, order.event_id, order.reason, order.at = run_id, event_id, reason[:1000], now()
    order.decision = order.operation_id = order.decided_at = order.told_at = None
    session.add(order)
    session.flush()


def _decide(session: Session, job: Job, order: ParkedOrder, decision: Decision, operation_id: str | None) -> None:
    if decision is Decision.MADE:
        if not operation_id or len(operation_id) > LONGEST_OPERATION:
            raise Problem(422, "No operation", "Give the provider's id of what was made.", "operationId")
        _made(session, job, order, operation_id)
        return
    if job.operation_id is not None:
        raise Problem(409, "It was made", f"It was made: operation {job.operation_id}.", "decision")
    if decision is Decision.ORDER_AGAIN and job.is_over:
        raise Problem(409, "Too late", f"The job is {job.status} already; `give up` pays its cost back.", "decision")
    job.sent_at = None
    _decided(order, decision)
    if decision is Decision.ORDER_AGAIN:
        _goes_on(session, job, "A person found that the order was not made; it is sent again.")
    elif not move(session, job, Status.FAILED, "The provider has not taken the order. Nothing was charged."):
        ledger.correct(session, job.id, 0)


def _made(session: Session, job: Job, order: ParkedOrder, operation_id: str) -> None:
    job.operation_id = order.operation_id = operation_id
    _decided(order, Decision.MADE)
    _goes_on(session, job, f"The provider has taken the order: {operation_id}.")


def _decided(order: ParkedOrder, decision: Decision) -> None:
    order.decision, order.decided_at = decision, now()


def _goes_on(session: Session, job: Job, why: str) -> None:
    if not job.is_over:
        job.waiting_for, job.updated_at = "", now()
        note(session, job, why)
