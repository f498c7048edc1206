"""A ledger instead of the table of usage: what is reserved, settled and released; who made a job's video, and for how much."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the ledger from the jobs and the usage that are there."""
    op.add_column("jobs", sa.Column("provider", sa.String(32)))
    op.add_column("jobs", sa.Column("cents", sa.Integer))
    op.create_table(
        "ledger",
        sa.Column("shop_id", sa.String(64), sa.ForeignKey("shops.id"), primary_key=True),
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reserved", sa.Integer, nullable=False),
        sa.Column("settled", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_index("ix_ledger_day", "ledger", ["shop_id", "kind", "at"])
    columns = "INSERT INTO ledger (shop_id, job_id, kind, state, reserved, settled, at, ended_at) "
    op.execute(
        columns + "SELECT j.shop_id, j.id, 'video', 'settled', 1, 1, j.created_at, u.at "
        "FROM usage u JOIN jobs j ON j.id = u.job_id"
    )
    op.execute(
        columns + "SELECT shop_id, id, 'video', 'reserved', 1, 0, created_at, NULL "
        "FROM jobs WHERE status IN ('queued', 'processing')"
    )
    op.drop_table("usage")
