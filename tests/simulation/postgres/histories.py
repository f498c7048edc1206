"""Histories of several brokers on a real PostgreSQL, statement by statement; a seed is one of them, exactly."""

import asyncio
import logging
import random
from collections import Counter
from contextlib import ExitStack
from unittest.mock import patch

from simulation import laws, virtual
from simulation.histories import History, Trouble
from simulation.postgres import life, records
from simulation.postgres.backstage import Backstage
from simulation.postgres.node_store import Database
from simulation.postgres.session import Session, Watched
from simulation.verdict import Broken
from simulation.world import NODE_TIMEOUT_MS, World

SKEW_MS = 1_000
"""Clocks are less wrong than on a disk: a transaction takes its time here, and what it writes are times of its beginning."""
_WAITS_MS = (1_000,) * 5
_STORE = "ringback.broker.stores.postgres.store"
_PAGES = ("bulk.AT_ONCE", "removal.AT_ONCE", "removal.RUNS_AT_ONCE")
_PAGE = 2
"""Most that is canceled at once where a filter chooses: so few that many brokers carry it on."""


def lived(backstage: Backstage, seed: int, kind: life.Kind | None = None) -> History:
    """Live through one history.

    Args:
        backstage: the server.
        seed: everything that is left to chance follows from it.
        kind: what sort of history it is; follows from the seed without.
    """
    history = History()
    sort = kind or random.Random(seed + 2).choice(life.KINDS)
    backstage.empty()

    async def main() -> None:
        brokers, forgetful = sort.brokers or (2, 3, 2, 1)[seed % 4], seed % 15 == 4

        def database(seen: Counter[str]) -> Database:
            return Database(backstage, random.Random(seed + 1), seen, NODE_TIMEOUT_MS)

        world = World(seed, brokers, forgetful=forgetful, disk=database, skew_ms=SKEW_MS)
        disk = world.disk
        assert isinstance(disk, Database)
        disk.rows, disk.accuse = world.account.rows, world.accuse
        disk.on_trouble = lambda store: world.account.shaken.add(store.number())
        history.story, history.seen = world.story, world.seen
        world.laws, world.waits_ms, world.watches_ticks = laws.always, _WAITS_MS, 0.1
        trouble.world = world
        made.append(disk)
        asyncio.get_running_loop().set_exception_handler(lambda _, what: world.accuse(Broken(f"{what}")))
        lives = asyncio.ensure_future(life.live(world, disk, sort))
        await asyncio.wait({lives, world.verdict}, return_when=asyncio.FIRST_COMPLETED)
        if lives.done() and lives.exception() is None:
            asyncio.get_running_loop().call_soon(records.compare, world, disk)
            await asyncio.sleep(0)
        errors = [one.exception() for one in (world.verdict, lives) if one.done()]
        history.broken = next((f"{type(error).__name__}: {error}" for error in errors if error is not None), None)
        lives.cancel()
        world.end()
        asyncio.get_running_loop().call_soon(disk.end)
        await asyncio.sleep(0)

    made: list[Database] = []

    async def connect(url: str, _: int) -> Session:
        return await made[0].connect(url)

    log = logging.getLogger("ringback")
    trouble = Trouble(logging.ERROR)
    log.addHandler(trouble)
    with ExitStack() as patched:
        patched.callback(log.removeHandler, trouble)
        for name in _PAGES:
            patched.enter_context(patch(f"ringback.broker.operations.{name}", _PAGE))
        patched.enter_context(patch(f"{_STORE}.connect", connect))
        patched.enter_context(patch(f"{_STORE}.PostgresTransaction", Watched))
        patched.enter_context(patch(f"{_STORE}.schema.migrate", _is_migrated))
        virtual.run(main())
    return history


async def _is_migrated(*_: object) -> None:
    """The schema is there."""
