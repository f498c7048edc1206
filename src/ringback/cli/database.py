"""`ringback migrate` and `ringback copy`: the database behind the brokers."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

from ringback.broker.app import codecs_for
from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.sqlite_file import opened
from ringback.broker.stores.sqlite_schema import SCHEMA_VERSION
from ringback.cli.configuration import SettingWrong, read_database, read_encryption_keys
from ringback.cli.setting_texts import database


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="A TOML file with settings."
)
@click.option("--db", help="The database, a file or a postgresql:// address; wins over RINGBACK_DATABASE.")
@click.option("--pending", is_flag=True, help="Change nothing: list what would be done, and fail if there is anything.")
def migrate(config: Path | None, db: str | None, pending: bool) -> None:
    """Bring the database up to date.

    `ringback serve` does the same when it starts. Running it before, with a role that may change tables, lets brokers run with
    one that may not. Brokers of the release before go on working on the new schema: migrate first, then restart them one by one.
    """
    try:
        where = database(db) if db else read_database(os.environ, config)
        if pending and isinstance(where, Path):
            raise click.UsageError("--pending is for PostgreSQL: a file is brought up to date whenever it is opened")
        if isinstance(where, Path):
            done = _bring_up_to_date(where, read_encryption_keys(os.environ, config))
        else:
            done = asyncio.run(_migrate(where, pending=pending))
    except (SettingWrong, StoreUnavailable, ValueError) as error:
        raise click.ClickException(str(error)) from error
    for line in done:
        click.echo(line)
    if not done:
        click.echo("the database is up to date")
    elif pending:
        raise click.exceptions.Exit(1)


def _bring_up_to_date(where: Path, keys: Sequence[bytes]) -> list[str]:
    with opened(where, codecs_for(keys)) as file:
        return [f"schema {file.former} became schema {SCHEMA_VERSION}"] if 0 < file.former < SCHEMA_VERSION else []


async def _migrate(where: str, *, pending: bool) -> list[str]:
    from ringback.broker.stores.postgres import schema

    steps = await (schema.pending(where) if pending else schema.migrate(where))
    return [f"{step.number:04} {step.name}" for step in steps]


@click.command()
@click.argument("source", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.argument("target")
def copy(source: Path, target: str) -> None:
    """Move everything from the SQLite file SOURCE into the empty PostgreSQL database TARGET (postgresql://...).

    Stop the broker first. Everything is copied in one transaction and counted: messages that wait, history, dead letters,
    schedules, queues, runs and keys. Nothing in the file changes, also where it is of an older release: keep it until you are
    content with the new database. An older file that is encrypted is read with RINGBACK_ENCRYPTION_KEYS.
    """
    try:
        where = database(target)
        if isinstance(where, Path):
            raise click.BadParameter("expected an address that begins with postgresql://", param_hint="TARGET")
        with _Bar() as bar:
            copied = asyncio.run(_copy(source, where, bar.show, read_encryption_keys(os.environ)))
    except (SettingWrong, StoreUnavailable, ValueError) as error:
        raise click.ClickException(str(error)) from error
    for name, count in copied.items():
        click.echo(f"{name.replace('_', ' '):16} {count:>12,}")
    click.echo(
        f"{sum(copied.values()):,} rows copied and counted; start the brokers with RINGBACK_DATABASE set to the new address"
    )


async def _copy(
    source: Path, target: str, show: Callable[[str, int, int], None], keys: Sequence[bytes]
) -> dict[str, int]:
    from ringback.broker.stores.postgres import copying

    return await copying.copy(source, target, show, codecs_for(keys))


class _Bar:
    """Shows on the terminal how far a copy is."""

    def __init__(self) -> None:
        self._progress = Progress(
            "{task.description:16}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: str, done: int, total: int) -> None:
        """Draw one table's bar."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name.replace("_", " "), total=total)
        self._progress.update(self._tasks[name], completed=done)
