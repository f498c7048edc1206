"""`ringback reseal`: encrypt everything that is stored with the newest key."""

import asyncio
import os
from pathlib import Path

import click

from ringback.broker.app import store_for
from ringback.broker.operations.reseal import NUMBERED, reseal_numbered, reseal_rest
from ringback.broker.settings import Settings
from ringback.broker.stores.contract import Store, StoreUnavailable
from ringback.cli.configuration import SettingWrong, read_settings

_AT_ONCE = 500


@click.command()
@click.option("--config", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="The broker's TOML file.")
def reseal(config: Path | None) -> None:
    """Write every payload anew, encrypted with the first of RINGBACK_ENCRYPTION_KEYS.

    Run it with the broker's settings. A SQLite file must not be in use; on PostgreSQL brokers may go on, once all of them
    know the new key. After it, the old keys can be thrown away.
    """
    try:
        settings = read_settings(os.environ, config)
        if not settings.encryption_keys:
            raise click.ClickException(
                "RINGBACK_ENCRYPTION_KEYS is not set: `ringback secrets --encryption-key` makes a key"
            )
        count = asyncio.run(_reseal(settings))
    except (SettingWrong, StoreUnavailable) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} records are sealed with the newest key")


async def _reseal(settings: Settings) -> int:
    store = store_for(settings)
    await store.open()
    try:
        total = await store.write(reseal_rest)
        for kind in NUMBERED:
            total += await _walk(store, kind)
        return total
    finally:
        await store.close()


async def _walk(store: Store, kind: type) -> int:
    total, last = 0, -1
    while True:
        after = last
        count, last = await store.write(lambda tx, after=after: reseal_numbered(tx, kind, after, _AT_ONCE))  # type: ignore[misc]
        total += count
        if count < _AT_ONCE:
            return total
