"""What Alembic runs: the migrations, on the connection it was given."""

from alembic import context

from ringback_video.jobs import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata)
with context.begin_transaction():
    context.run_migrations()
