"""`ringback doctor`: what stands between the broker and an endpoint, and whether a database is whole."""

from pathlib import Path

import click

from ringback.cli.output import Shape
from ringback.cli.remote import Remote, remote
from ringback.client import diagnosis
from ringback.simulate.limits import LIMITS

_MARKS = {"good": "ok", "bad": "BAD", "unknown": "?"}


@click.command()
@click.argument("url", required=False)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Look at this database file instead: its pages, its indexes, whether its records belong together and lanes count right.",
)
@click.option(
    "--mend",
    "is_mended",
    is_flag=True,
    help="With --db: set right what queues and flow-control keys count; no broker may be running.",
)
@click.option(
    "--workflow/--no-workflow",
    "is_workflow",
    default=None,
    help="Whether a workflow is served there; else, whether a run was ever started there.",
)
@remote
def doctor(told: Remote, url: str | None, db: Path | None, is_mended: bool, is_workflow: bool | None) -> None:
    """Look from the broker at the endpoint URL: can it be reached, and will it take deliveries?

    A workflow is asked with a signed delivery of a run that does not exist, which it has to find over; anything else with
    GET. Neither has consequences. Exit status 1 when something stands in the way.
    """
    if db is not None and url is not None:
        raise click.UsageError("give either the URL of an endpoint or --db, not both")
    if is_mended and db is None:
        raise click.UsageError("--mend needs --db with a database file")
    if db is not None:
        _look_at_database(told, db, is_mended=is_mended)
        return
    if url is None:
        raise click.UsageError("give the URL of an endpoint, or --db with a database file")
    found = told.send(diagnosis.look(url, is_workflow=is_workflow))
    if told.out.as_json:
        told.out.record(found)
    else:
        _tell(found)
    if not found["ok"]:
        raise click.exceptions.Exit(1)


def _look_at_database(told: Remote, db: Path, *, is_mended: bool) -> None:
    """Unless it is to be mended, a broker may be at work on it."""
    from ringback.broker.stores.backup import problems
    from ringback.broker.stores.contract import StoreUnavailable
    from ringback.broker.stores.counts import mend, miscounted

    try:
        broken = problems(db)
        mended = mend(db) if is_mended and not broken else []
        found = broken or miscounted(db)
    except StoreUnavailable as error:
        raise click.ClickException(str(error)) from error
    if told.out.as_json:
        told.out.record({"ok": not found, "problems": [one._asdict() for one in found], "mended": mended})
    else:
        for text in mended:
            click.echo(f"{_MARKS['good']:>4}  database     mended: {text}")
        for problem in found:
            click.echo(f"{_MARKS['bad']:>4}  database     {problem.text}")
            click.echo(f"                    -> {problem.remedy}")
        if not found:
            click.echo(f"{_MARKS['good']:>4}  database     {db} is whole")
    if found:
        raise click.exceptions.Exit(1)


def _platform(name: str) -> str:
    """Return a platform with what it allows by default."""
    limits = {limit.name: limit.values[name] for limit in LIMITS if name in limit.values}
    if not limits:
        return name
    size, seconds = limits["request_bytes"], limits["duration_s"]
    return (
        f"{name}: bodies up to {size.value / 1_000_000:.3g} MB, requests up to {seconds.value} s unless configured otherwise "
        f"({seconds.source}, {seconds.date})"
    )


def _tell(found: Shape) -> None:
    for one in found["findings"]:
        text = _platform(one["text"]) if one["subject"] == "platform" else one["text"]
        click.echo(f"{_MARKS[one['state']]:>4}  {one['subject']:<11}  {text}")
        if one.get("remedy"):
            click.echo(f"                    -> {one['remedy']}")
    if found["ok"] and not found["workflow"]:
        click.echo(
            "   ?  signature    only a workflow can be asked without consequences: --workflow if one is served there"
        )
