"""A broker in this process, once on each store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.broker.stores.contract import Store
from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.postgres.store import PostgresStore
from ringback.broker.stores.sqlite import SqliteStore
from support.inprocess import InProcess, inprocess


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def ringed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[InProcess]:
    store: Store
    match request.param:
        case "memory":
            store = MemoryStore()
        case "sqlite":
            store = SqliteStore(tmp_path / "ringback.db")
        case _:
            store = PostgresStore(request.getfixturevalue("postgres").emptied(), 600_000)
    async with inprocess(store) as running:
        yield running
