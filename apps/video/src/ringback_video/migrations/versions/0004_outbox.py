"""When a job was given to the broker; the jobs of before were."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, with an answer for the jobs that are there."""
    op.add_column("jobs", sa.Column("published_at", sa.DateTime))
    op.execute("UPDATE jobs SET published_at = created_at")
