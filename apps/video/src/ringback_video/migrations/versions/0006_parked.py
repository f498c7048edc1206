"""Orders that wait for a person's decision; what a job waits for; room for the long names of Google's operations."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add table and columns; SQLite does not look at the length of a text, so nothing is to be widened there."""
    op.add_column("jobs", sa.Column("waiting_for", sa.String(1000), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("revived", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("looked_at", sa.DateTime))
    op.add_column("jobs", sa.Column("message_id", sa.String(64)))
    op.create_table(
        "parked_orders",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("decision", sa.String(16)),
        sa.Column("operation_id", sa.String(500)),
        sa.Column("decided_at", sa.DateTime),
        sa.Column("told_at", sa.DateTime),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("jobs", "operation_id", type_=sa.String(500))
