"""When a job was sent to the provider, and which run works on it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("sent_at", sa.DateTime))
    op.add_column("jobs", sa.Column("run_id", sa.String(64)))
