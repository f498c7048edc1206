"""What jobs count and cost: reserved with the order, settled or released in the transaction that ends the job.

A job has one entry of each kind, and an entry leaves `reserved` once. Usage is what the entries add up to: nothing is ever
incremented, so nothing can be counted twice.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, case, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ringback_video.tables import Table, now


class Kind(StrEnum):
    """What an entry is about: one video of the shop's quota, or money in cents."""

    VIDEO = "video"
    COST = "cost"


class State(StrEnum):
    """Where an entry is."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


class Entry(Table):
    """One line of the ledger."""

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_day", "shop_id", "kind", "at"),)

    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    reserved: Mapped[int]
    settled: Mapped[int]
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


def reserve(session: Session, shop_id: str, job_id: str, cents: int) -> None:
    """Set aside a video and its estimated cost for a new job."""
    for kind, amount in ((Kind.VIDEO, 1), (Kind.COST, cents)):
        session.add(
            Entry(
                shop_id=shop_id,
                job_id=job_id,
                kind=kind,
                state=State.RESERVED,
                reserved=amount,
                settled=0,
                at=now(),
            )
        )


def end(session: Session, job_id: str, *, counts: bool, cents: int | None, was_sent: bool) -> None:
    """Settle or release what a job has reserved; what has been ended before stays as it is.

    Args:
        session: in the transaction that ends the job.
        job_id: whose entries.
        counts: whether the video counts against the quota: it was finished.
        cents: what the provider charged; None if it has not said.
        was_sent: whether the provider was asked at all; if it has not said what it charged, the estimate counts.
    """
    entries = select(Entry).where(Entry.job_id == job_id, Entry.state == State.RESERVED)
    for entry in session.scalars(entries.with_for_update()):
        if entry.kind == Kind.VIDEO:
            amount = entry.reserved if counts else 0
        else:
            amount = cents if cents is not None else entry.reserved if was_sent else 0
        entry.state = State.SETTLED if amount or counts else State.RELEASED
        entry.settled, entry.ended_at = amount, now()


def correct(session: Session, job_id: str, cents: int) -> None:
    """Put what a job has really cost in the place of an estimate that was settled when it ended."""
    entry = session.scalar(select(Entry).where(Entry.job_id == job_id, Entry.kind == Kind.COST).with_for_update())
    if entry is not None and entry.state != State.RESERVED:
        entry.state, entry.settled = State.SETTLED if cents else State.RELEASED, cents


def videos_used(session: Session, shop_id: str) -> int:
    """Return how many finished videos count against a shop's quota."""
    return _videos(session, shop_id, State.SETTLED)


def videos_reserved(session: Session, shop_id: str) -> int:
    """Return how many videos are set aside for jobs that are under way."""
    return _videos(session, shop_id, State.RESERVED)


def cents_today(session: Session, shop_id: str) -> int:
    """Return what a shop's orders of this day (UTC) cost: settled where it is known, else reserved."""
    day = now().replace(hour=0, minute=0, second=0, microsecond=0)
    amount = case((Entry.state == State.RESERVED, Entry.reserved), else_=Entry.settled)
    query = select(func.sum(amount)).where(
        Entry.shop_id == shop_id, Entry.kind == Kind.COST, Entry.at >= day, Entry.at < day + timedelta(days=1)
    )
    return int(session.scalar(query) or 0)


def _videos(session: Session, shop_id: str, state: State) -> int:
    query = select(func.count()).where(Entry.shop_id == shop_id, Entry.kind == Kind.VIDEO, Entry.state == state)
    return session.scalar(query) or 0
