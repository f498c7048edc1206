"""`ringback dev`: a broker for development, with the accounts and the port that clients expect."""

import contextlib
import sys
import tempfile
from pathlib import Path

import click

from ringback.broker.settings import DEVELOPMENT_TENANTS, Settings
from ringback.broker.stores.contract import StoreUnavailable
from ringback.cli.running import Development, explained, run
from ringback.cli.setting_texts import database
from ringback.wire.guard import Policy


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    envvar="QSTASH_DEV_PORT",
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--db",
    help="Keep everything in this file, or in the PostgreSQL database at this address; without it, nothing is kept.",
)
@click.option(
    "--live/--no-live", default=None, help="Show each attempt; on a terminal it is shown unless told otherwise."
)
@click.option(
    "--reload-app", metavar="MODULE:APP", help="Start this ASGI application too, and again when its code changes."
)
@click.option("--app-port", default=8000, show_default=True, help="Port of that application.")
@click.option(
    "--allow-host",
    metavar="NAME",
    multiple=True,
    help="Answer under this name too, of a tunnel say; addresses and names of this machine or network are answered anyway.",
)
def dev(
    host: str,
    port: int,
    db: str | None,
    live: bool | None,
    reload_app: str | None,
    app_port: int,
    allow_host: tuple[str, ...],
) -> None:
    """Start a broker for development.

    It has the public development accounts, so QSTASH_DEV=true finds it, and it may call addresses on this machine. Whoever
    reaches it may use it; pages that a browser has loaded from other sites are refused.
    """
    wanted = Development(sys.stdout.isatty() if live is None else live, (reload_app, app_port) if reload_app else None)
    with contextlib.ExitStack() as stack:
        try:
            kept = database(db or f"{stack.enter_context(tempfile.TemporaryDirectory(prefix='ringback-'))}/ringback.db")
            if isinstance(kept, Path):
                kept.parent.mkdir(parents=True, exist_ok=True)
            names = frozenset(name.lower().rstrip(".") for name in (host, *allow_host))
            anywhere = Policy(allow_private=True)
            settings = Settings(host, port, kept, DEVELOPMENT_TENANTS, destinations=anywhere, names=names)
            run(settings, wanted)
        except (StoreUnavailable, ValueError, OSError) as error:
            raise click.ClickException(explained(error)) from error
