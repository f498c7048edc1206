"""`ringback why`: why a message, a run or a schedule is not further, and what makes no progress at all."""

from collections.abc import Iterator

import click

from ringback.cli.output import Shape, plain
from ringback.cli.remote import Remote, remote
from ringback.client import diagnosis

_IDS = ("workflowRunId", "messageId", "scheduleId")


@click.command()
@click.argument("id_", metavar="[ID]", required=False)
@click.option(
    "--for", "longest", default="10m", show_default=True, help="Without ID: for how long nothing has happened."
)
@remote
def why(told: Remote, id_: str | None, longest: str) -> None:
    """Say why a message or a run is not further than it is, or why a schedule makes no message.

    Without ID, list everything that makes no progress; exit status 1 when there is something.
    """
    if id_ is not None:
        _show(told, told.send(diagnosis.why(id_)))
        return
    stalled = told.send(diagnosis.stalled(longest))
    if told.out.as_json:
        told.out.record({"stalled": stalled})
    elif not stalled:
        click.echo(f"Everything has made progress in the last {longest}, or waits because it was asked to.")
    for one in () if told.out.as_json else stalled:
        click.echo(f"{next(one[name] for name in _IDS if name in one)}  {one['url']}")
        _echo(one)
    if stalled:
        raise click.exceptions.Exit(1)


def _show(told: Remote, found: Shape) -> None:
    if told.out.as_json:
        told.out.record(found)
    else:
        _echo(found)


def _echo(found: Shape) -> None:
    for line in _lines(found):
        click.echo(plain(line))


def _lines(found: Shape) -> Iterator[str]:
    for cause in found["causes"]:
        yield f"  {cause['text']}"
        if cause.get("remedy"):
            yield f"    -> {cause['remedy']}"
