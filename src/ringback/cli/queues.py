"""`ringback queues`: first in, first out."""

import click

from ringback.cli.listing import Listing
from ringback.cli.output import field
from ringback.cli.remote import Remote, remote
from ringback.client import management

_COLUMNS = (
    ("QUEUE", field("name")),
    ("PARALLELISM", field("parallelism")),
    ("WAITING", field("lag")),
    ("PAUSED", field("paused")),
)


@click.group(cls=Listing)
def queues() -> None:
    """Look at queues and steer them."""


@queues.command("list")
@remote
def list_queues(told: Remote) -> None:
    """List the queues."""
    told.out.records(told.send(management.queues()), _COLUMNS, none="No queues.")


@queues.command("show")
@click.argument("queue")
@remote
def show(told: Remote, queue: str) -> None:
    """Show one queue."""
    told.out.record(told.send(management.queue(queue)))


@queues.command("set")
@click.argument("queue")
@click.option("--parallelism", type=click.IntRange(1), required=True, help="How many at once.")
@remote
def set_queue(told: Remote, queue: str, parallelism: int) -> None:
    """Make a queue, or change it."""
    told.send(management.set_queue(queue, parallelism=parallelism))
    told.out.done(f"queue {queue} delivers {parallelism} at once", queue=queue, parallelism=parallelism)


@queues.command("pause")
@click.argument("queue")
@remote
def pause(told: Remote, queue: str) -> None:
    """Let a queue start nothing more."""
    told.send(management.pause_queue(queue))
    told.out.done(f"queue {queue} is paused", queue=queue, paused=True)


@queues.command("resume")
@click.argument("queue")
@remote
def resume(told: Remote, queue: str) -> None:
    """Let a queue go on."""
    told.send(management.resume_queue(queue))
    told.out.done(f"queue {queue} goes on", queue=queue, paused=False)


@queues.command("delete")
@click.argument("queue")
@click.confirmation_option(prompt="What waits in it is dropped. Go on?")
@remote
def delete(told: Remote, queue: str) -> None:
    """Delete a queue and drop what waits in it."""
    told.send(management.delete_queue(queue))
    told.out.done(f"queue {queue} is deleted", queue=queue, deleted=True)
