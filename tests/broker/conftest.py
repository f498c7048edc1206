"""A broker in this process, once on each store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.broker.stores.memory import MemoryStore
from ringback.broker.stores.sqlite import SqliteStore
from support.inprocess import InProcess, inprocess


@pytest.fixture(params=["memory", "sqlite"])
async def ringed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[InProcess]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "ringback.db")
    async with inprocess(store) as running:
        yield running
