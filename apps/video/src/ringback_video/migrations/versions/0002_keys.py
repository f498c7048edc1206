"""Keys of shops; the list of a shop's jobs is read in the order of an index."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "keys",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("shop_id", sa.String(64), sa.ForeignKey("shops.id"), nullable=False, index=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.create_index("ix_jobs_newest", "jobs", ["shop_id", "created_at", "id"])
