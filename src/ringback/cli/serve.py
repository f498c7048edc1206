"""`ringback serve`: a broker for production; and `ringback secrets`, which makes what it needs."""

import base64
import json
import os
import secrets as random
import shlex
from pathlib import Path

import click

from ringback.broker.operations.keys import random_word
from ringback.broker.settings import KEY_BYTES
from ringback.broker.stores.contract import StoreUnavailable
from ringback.cli.configuration import SettingWrong, read_settings, short, unknown
from ringback.cli.running import explained, run


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A TOML file with settings; variables of the environment win over it.",
)
@click.option("--host", help="Address to listen on; wins over RINGBACK_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; wins over RINGBACK_PORT.")
@click.option("--db", help="The database, a file or a postgresql:// address; wins over RINGBACK_DATABASE.")
def serve(config: Path | None, host: str | None, port: int | None, db: str | None) -> None:
    """Start a broker for production.

    It wants its secrets from the environment or a file (`ringback secrets` makes them), refuses the public development
    tokens, and calls no loopback, private or link-local address unless told to.
    """
    given = {"RINGBACK_HOST": host, "RINGBACK_PORT": None if port is None else str(port), "RINGBACK_DATABASE": db}
    environment = {**os.environ, **{name: value for name, value in given.items() if value is not None}}
    try:
        settings = read_settings(environment, config)
        for sentence in (*unknown(os.environ), *short(settings)):
            click.echo(f"Warning: {sentence}", err=True)
        if isinstance(settings.database, Path):
            _look_at(settings.database)
        run(settings)
    except (SettingWrong, StoreUnavailable, OSError) as error:
        raise click.ClickException(explained(error)) from error


def _look_at(database: Path) -> None:
    """A folder that is missing is a wrong path, or a volume that is not there: an empty database would look like lost data.

    Raises:
        SettingWrong: its folder does not exist.
    """
    folder = database.absolute().parent
    if not folder.is_dir():
        raise SettingWrong(
            f"RINGBACK_DATABASE (--db) is {str(database)!r}: expected a file in a folder that exists, and there is no"
            f" {folder}; correct the path, or make the folder with: mkdir -p {shlex.quote(str(folder))}"
        )
    if not database.exists():
        click.echo(f"There is no {database} yet: a new, empty database is made.", err=True)


@click.command()
@click.option("--user", default="ringback", show_default=True, help="Name of the account; stands in webhook addresses.")
@click.option("--encryption-key", is_flag=True, help="Print a key for RINGBACK_ENCRYPTION_KEYS, and nothing else.")
def secrets(user: str, encryption_key: bool) -> None:
    """Print a fresh token and signing keys, as lines for an environment file."""
    if encryption_key:
        click.echo(f"RINGBACK_ENCRYPTION_KEYS={random.token_urlsafe(KEY_BYTES)}")
        return
    token = json.dumps({"UserID": user, "Password": random.token_urlsafe(24)}, separators=(",", ":"))
    click.echo(f"QSTASH_TOKEN={base64.b64encode(token.encode()).decode()}")
    click.echo(f"QSTASH_CURRENT_SIGNING_KEY=sig_{random_word(28)}")
    click.echo(f"QSTASH_NEXT_SIGNING_KEY=sig_{random_word(28)}")
