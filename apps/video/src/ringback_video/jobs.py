"""Jobs, shops and usage: what is stored, and the only ways from one state of a job to another."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


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


class Table(DeclarativeBase):
    """What all tables derive from."""

    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012 - SQLAlchemy's way to say it


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
    operation_id: Mapped[str | None] = mapped_column(String(64))
    video: Mapped[str | None] = mapped_column(String(200))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    run_id: Mapped[str | None] = mapped_column(String(64))
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


class Usage(Table):
    """One video that counts against a shop's quota; a job can be here once, whatever is delivered twice."""

    __tablename__ = "usage"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    shop_id: Mapped[str] = mapped_column(ForeignKey("shops.id"), index=True)
    at: Mapped[datetime]


def now() -> datetime:
    """Return the time as the database keeps it: UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)  # noqa: TID251 - the one place where Studio reads the clock


def move(session: Session, job: Job, to: Status, reason: str) -> bool:
    """Bring a job into another state and note it; False where there is no such way from its present one."""
    if to not in WAYS[Status(job.status)]:
        return False
    job.status = to
    job.reason = reason[:1000] if to in (Status.FAILED, Status.CANCELED) else ""
    job.updated_at = now()
    session.add(Change(job_id=job.id, at=job.updated_at, status=to, reason=reason[:1000]))
    return True


def videos_used(session: Session, shop_id: str) -> int:
    """Return how many finished videos count against a shop's quota."""
    return session.scalar(select(func.count()).select_from(Usage).where(Usage.shop_id == shop_id)) or 0


def in_progress(session: Session, shop_id: str) -> int:
    """Return how many of a shop's jobs are still under way."""
    open_states = [status.value for status, ways in WAYS.items() if ways]
    query = select(func.count()).select_from(Job).where(Job.shop_id == shop_id, Job.status.in_(open_states))
    return session.scalar(query) or 0
