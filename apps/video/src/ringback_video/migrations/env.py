"""What Alembic runs: the migrations, on the connection it was given."""

from alembic import context

from ringback_video.jobs import Job

context.configure(connection=context.config.attributes["connection"], target_metadata=Job.metadata)
with context.begin_transaction():
    context.run_migrations()
