"""Jobs and shops: what is stored, and the only ways from one state of a job to another."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from ringback.workflow import NonRetryableError
from ringback_video import ledger
from ringback_video.tables import Table, now


class Status(StrEnum):
    """States of a job."""

    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


WAYS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.PROCESSING, Status.FAILED, Status.CANCELED}),
    Status.PROCESSING: frozenset({Status.DONE, Status.FAILED, Status.CANCELED}),
    Status.DONE: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
}
"""From each state, where a job can go; a missing way is an error or comes too late."""


class Shop(Table):
    """A customer."""

    __tablename__ = "shops"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    quota: Mapped[int]


class Key(Table):
    """What is kept of a shop's key; from the moment it is revoked, which can be still to come, it opens nothing."""

    __tablename__ = "keys"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), index=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Job(Table):
    """One video that a shop has ordered."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("shop_id", "idempotency_key"),
        Index("ix_jobs_newest", "shop_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), index=True)
    template_id: Mapped[str] = mapped_column(String(64))
    caption: Mapped[str] = mapped_column(String(200))
    source_image_urls: Mapped[list[str]]
    status: Mapped[str] = mapped_column(String(16), index=True)
    step: Mapped[str] = mapped_column(String(32), default="")
    progress: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(String(1000), default="")
    operation_id: Mapped[str | None] = mapped_column(String(500))
    video: Mapped[str | None] = mapped_column(String(200))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    message_id: Mapped[str | None] = mapped_column(String(64))
    sent_at: Mapped[datetime | None]
    run_id: Mapped[str | None] = mapped_column(String(64))
    provider: Mapped[str | None] = mapped_column(String(32))
    cents: Mapped[int | None]
    waiting_for: Mapped[str] = mapped_column(String(1000), default="", server_default="")
    revived: Mapped[int] = mapped_column(default=0, server_default="0")
    looked_at: Mapped[datetime | None]
    history: Mapped[list["Change"]] = relationship(order_by="Change.id", lazy="selectin")

    @property
    def is_over(self) -> bool:
        """Whether the job has come to its end."""
        return not WAYS[Status(self.status)]


class Change(Table):
    """One change of a job's state, for a person to read."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(1000))


def load(session: Session, job_id: str, *, lock: bool = False) -> Job:
    """Return a job.

    Raises:
        NonRetryableError: there is none of that id.
    """
    job = session.get(Job, job_id, with_for_update=lock)
    if job is None:
        raise NonRetryableError(f"There is no job {job_id}.")
    return job


def note(session: Session, job: Job, text: str) -> None:
    """Write something into a job's history that does not change its state."""
    session.add(Change(job_id=job.id, at=now(), status=job.status, reason=text[:1000]))


def move(session: Session, job: Job, to: Status, reason: str) -> bool:
    """Bring a job into another state and note it; False where there is no such way from its present one.

    What the job has reserved is settled or released together with its end.
    """
    if to not in WAYS[Status(job.status)]:
        return False
    job.status = to
    job.reason = reason[:1000] if to in (Status.FAILED, Status.CANCELED) else ""
    job.waiting_for = ""
    job.updated_at = now()
    note(session, job, reason)
    if job.is_over:
        ledger.end(session, job.id, counts=to == Status.DONE, cents=job.cents, was_sent=job.sent_at is not None)
    return True
