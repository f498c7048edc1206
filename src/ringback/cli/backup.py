"""`ringback backup` and `ringback restore`: a copy of a SQLite store while it works, and the way back."""

from collections.abc import Callable
from pathlib import Path

import click

from ringback.broker.stores import backup as copies
from ringback.broker.stores.contract import StoreUnavailable


def _file(_: click.Context, __: click.Parameter, text: str) -> Path:
    if "://" in text:
        raise click.BadParameter("expected a SQLite file; for PostgreSQL use its own tools, pg_dump and pg_restore")
    return Path(text)


_DB = click.option(
    "--db",
    required=True,
    callback=_file,
    metavar="FILE",
    help="The database file, as in RINGBACK_DATABASE.",
)


@click.command()
@_DB
@click.argument("to", type=click.Path(dir_okay=False, path_type=Path))
def backup(db: Path, to: Path) -> None:
    """Copy the database into the file TO, also while a broker works on it.

    The copy is one moment of the store, is checked before it gets its name, and is a database itself. TO must not exist.
    """
    _done(f"{to}: {_try(lambda: copies.backup(db, to))}")


@click.command()
@_DB
@click.argument("copy", type=click.Path(dir_okay=False, path_type=Path))
def restore(db: Path, copy: Path) -> None:
    """Make the database anew from a COPY.

    The copy is checked first; no broker may be running; a database that is there already is kept beside it, with `.before` at
    the end of its name (`.before-2` and so on where there is one). What was delivered after the copy was made is delivered again.
    """
    _done(f"{db}: {_try(lambda: copies.restore(copy, db))}")


def _try(act: Callable[[], str]) -> str:
    try:
        return act()
    except (StoreUnavailable, OSError) as error:
        raise click.ClickException(str(error)) from error


def _done(text: str) -> None:
    click.echo(f"  ok  {text}")
