"""A broker and Studio, really running, for the tests of Studio."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import delete

from ringback.workflow import RunOptions
from ringback_video.app import create_app
from ringback_video.database import Database
from ringback_video.providers.contract import Provider
from ringback_video.settings import Settings
from ringback_video.studio import Studio, build
from ringback_video.tables import Table
from support.chromium import browser
from support.endpoint import eventually
from support.ports import free_port
from support.postgres import Server
from support.process import BrokerProcess, running
from video.stub import URL, StubProvider, make_video

__all__ = ["World", "browser", "world"]

FAST = RunOptions(retries=3, retry_delay="50")


@dataclass
class World:
    """Studio and its broker."""

    broker: BrokerProcess
    studio: Studio
    http: httpx.Client
    url: str

    def order(self, urls: list[str], template: str = "runway", **more: object) -> httpx.Response:
        """Order a video."""
        body = {"shopId": "demo-shop", "templateId": template, "sourceImageUrls": urls} | more
        headers = {"Idempotency-Key": str(body.pop("key"))} if "key" in body else {}
        return self.http.post("/api/generate", json=body, headers=headers)

    def finished(self, job_id: str) -> dict[str, object]:
        """Return a job once it has come to its end."""

        def over() -> dict[str, object] | None:
            job = self.http.get(f"/api/jobs/{job_id}").json()
            return job if job["status"] in ("done", "failed", "canceled") else None

        return eventually(over, 60)  # type: ignore[return-value]

    def used(self) -> int:
        """Return how many videos count against the shop's quota."""
        return int(self.http.get("/api/shops/demo-shop").json()["videosUsed"])

    def sample(self, *names: str) -> list[str]:
        """Return addresses of sample photos."""
        return [f"{self.url}/photos/{name}.jpg" for name in names or ("coffee", "dahlia")]


@contextmanager
def world(
    folder: Path,
    broker: BrokerProcess,
    provider: Callable[[Provider], Provider] | None = None,
    quota: int = 1000,
    **more: Any,
) -> Iterator[World]:
    """Run Studio beside a broker, with another provider if one is given."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database = f"sqlite:///{folder / 'studio.db'}"
    keys = (broker.current_key, broker.next_key)
    settings = Settings(folder, database, url, broker.url, broker.token, keys, quota, private_sources=True, **more)
    parts = build(settings)
    if provider is not None:
        parts = replace(parts, provider=provider(parts.provider))
    app = create_app(parts, FAST)
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", port, log_level="warning", timeout_graceful_shutdown=2, loop="asyncio")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        with httpx.Client(base_url=url, timeout=20) as http:
            yield World(broker, parts, http, url)
    finally:
        server.should_exit = True
        thread.join()
        parts.queue.http._client.close()  # the official client has no way to close it


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("video"))


def empty(database: Database, but: tuple[str, ...] = ()) -> None:
    """Delete everything, but what is in some tables."""
    with database.transaction() as session:
        for table in reversed(Table.metadata.sorted_tables):
            if table.name not in but:
                session.execute(delete(table))


@pytest.fixture(scope="session")
def on_postgres(postgres: Server) -> Callable[[int], str]:
    """Lend the databases of this run one by one, emptied: to make one takes longer than most tests."""
    made: list[str] = []

    def lend(number: int) -> str:
        if number == len(made):
            made.append(postgres.fresh())
        database = Database(made[number])
        empty(database)
        database.close()
        return made[number]

    return lend


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Make databases for a Studio, of each kind in turn."""
    numbers = itertools.count()
    if request.param == "postgresql":
        lend = request.getfixturevalue("on_postgres")
        return lambda: lend(next(numbers))
    return lambda: f"sqlite:///{tmp_path / f'studio-{next(numbers)}.db'}"


@pytest.fixture
def new_studio(tmp_path: Path, new_database: Callable[[], str], video: bytes) -> Iterator[Callable[..., Studio]]:
    """Make studios whose broker cannot be reached; each has a database of its own."""
    made: list[Studio] = []

    def make(**more: Any) -> Studio:
        folder = tmp_path / str(len(made))
        settings = Settings(folder, new_database(), URL, "http://127.0.0.1:9", "token", ("a", "b"), **more)
        queue = SimpleNamespace(message=SimpleNamespace(publish_json=lambda **_: SimpleNamespace(message_id="msg_1")))
        studio = replace(build(settings), provider=StubProvider(video), queue=queue)
        made.append(studio)
        return studio

    yield make
    for studio in made:
        studio.database.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with running(tmp_path_factory.mktemp("broker") / "ringback.db") as process:
        yield process


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory, broker: BrokerProcess) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("studio"), broker) as running_world:
        yield running_world
