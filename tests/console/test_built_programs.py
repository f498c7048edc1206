"""What the request builder shows does what it says: curl, Python and JavaScript ask a real broker for the same."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from ringback.console.views import programs
from ringback.console.views.wish import Wish, read_wish
from support.endpoint import Endpoint, Received, listening
from support.node import FOLDER, require_clients
from support.process import BrokerProcess, running

BODY = '{"name": "Zoë", "quote": "it\'s \\"here\\""}'
WISH = {
    "body": (BODY,),
    "headers": ("X-Tenant: shop-7\nX-Note: it's",),
    "retries": ("2",),
    "label": ("built",),
    "flow_key": ("built-key",),
    "parallelism": ("3",),
}


@dataclass
class World:
    """A broker, an endpoint, and the console's view of them."""

    broker: BrokerProcess
    endpoint: Endpoint

    def run(self, language: str, wish: Wish) -> None:
        """Run the program of a wish."""
        environment = {**os.environ, "QSTASH_TOKEN": self.broker.token}
        commands = {
            "curl": ["bash", "-ec", programs.curl(wish, self.broker.url).replace("curl ", "curl -sSf ", 1)],
            "python": [sys.executable, "-c", programs.python(wish, self.broker.url)],
            "script": ["node", "--input-type=module", "-e", programs.typescript(wish, self.broker.url)],
        }
        folder = FOLDER if language == "script" else None
        done = subprocess.run(
            commands[language], env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    def got(self, path: str) -> Received:
        """Return what arrived at a path."""
        return self.endpoint.wait_for(1, path)[0]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running() as broker, listening() as endpoint:
        yield World(broker, endpoint)


@pytest.fixture(params=["curl", "python", pytest.param("script", marks=pytest.mark.node)])
def language(request: pytest.FixtureRequest) -> str:
    if request.param == "script":
        require_clients()
    return str(request.param)


def test_a_message_is_published_as_it_was_built(world: World, language: str) -> None:
    wish = read_wish({**WISH, "kind": ("publish",), "destination": (f"{world.endpoint.url}/publish-{language}",)})
    world.run(language, wish)
    got = world.got(f"/publish-{language}")
    assert got.body.decode() == BODY
    assert (got.headers["x-tenant"], got.headers["x-note"]) == ("shop-7", "it's")
    assert got.headers["content-type"] == "application/json"
    with httpx.Client(base_url=world.broker.url, headers={"Authorization": f"Bearer {world.broker.token}"}) as api:
        event = api.get(f"/v2/events?url={world.endpoint.url}/publish-{language}").json()["events"][0]
    assert (event["maxRetries"], event["label"], event["flowControlKey"], event["parallelism"]) == (
        2,
        "built",
        "built-key",
        3,
    )


def test_a_message_is_enqueued_as_it_was_built(world: World, language: str) -> None:
    place = f"{world.endpoint.url}/enqueue-{language}"
    wish = {"kind": ("enqueue",), "queue": ("built",), "destination": (place,), "body": (BODY,), "retries": ("2",)}
    world.run(language, read_wish(wish))
    assert world.got(f"/enqueue-{language}").body.decode() == BODY


def test_a_schedule_is_made_as_it_was_built(world: World, language: str) -> None:
    wish = {**WISH, "kind": ("schedule",), "cron": ("0 0 1 1 *",), "schedule_id": (f"built-{language}",)}
    world.run(language, read_wish({**wish, "destination": (world.endpoint.url,)}))
    with httpx.Client(base_url=world.broker.url, headers={"Authorization": f"Bearer {world.broker.token}"}) as api:
        made = api.get(f"/v2/schedules/built-{language}").json()
    assert (made["cron"], made["body"], made["retries"], made["label"]) == ("0 0 1 1 *", BODY, 2, "built")


def test_a_run_is_started_as_it_was_built(world: World, language: str) -> None:
    place = f"{world.endpoint.url}/trigger-{language}"
    world.run(language, read_wish({**WISH, "kind": ("trigger",), "destination": (place,)}))
    got = world.got(f"/trigger-{language}")
    assert got.headers["upstash-workflow-runid"].startswith("wfr_")
    assert got.headers["x-tenant"] == "shop-7"
