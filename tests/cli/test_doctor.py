"""`ringback doctor` asks endpoints from the broker, and nothing happens there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI
from flask import Flask

from ringback.cli.commands import ringback
from ringback.testing import TestBroker
from ringback.workflow import Context
from ringback.workflow.adapters import flask, starlette

DONE: list[str] = []


async def order(context: Context[None]) -> None:
    DONE.append("called")
    await context.run("charge", DONE.append, "charged")


@pytest.fixture
def broker() -> Iterator[TestBroker]:
    DONE.clear()
    with TestBroker() as broker:
        yield broker
    assert DONE == []


def doctor(*line: str) -> Result:
    return CliRunner().invoke(ringback, ["doctor", *line])


def test_a_workflow_that_will_take_deliveries(broker: TestBroker) -> None:
    app = FastAPI()
    starlette.serve(app, "/api/order", order)
    broker.mount(app, "https://shop.test")
    result = doctor("https://shop.test/api/order", "--workflow")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "  ok  reachable    it answers (200)",
        "  ok  route        a workflow SDK answers there",
        "  ok  signature    it accepts the broker's signature",
    ]


def test_wrong_keys_are_named_with_the_variables_to_set(broker: TestBroker) -> None:
    app = Flask("app")
    flask.serve(app, "/api/order", order, signing_keys=("sig_other",))
    broker.mount(app, "https://shop.test")
    result = doctor("https://shop.test/api/order", "--workflow")
    assert result.exit_code == 1
    assert " BAD  signature    it refuses the broker's signature" in result.output
    assert "-> set QSTASH_CURRENT_SIGNING_KEY" in result.output


def test_a_wrong_path_and_a_plain_page(broker: TestBroker) -> None:
    app = FastAPI()

    @app.get("/")
    def page() -> str:
        return "shop"

    broker.mount(app, "https://shop.test")
    assert "nothing is served at this path (404)" in doctor("https://shop.test/api/order").output
    found = doctor("https://shop.test/")
    assert found.exit_code == 0
    assert "--workflow if one is served there" in found.output
    told = json.loads(doctor("https://shop.test/", "--json").stdout)
    assert (told["ok"], told["how"]) == (True, "look")


def test_the_platform_is_named_with_what_it_allows(broker: TestBroker) -> None:
    broker.mount(_on_vercel, "https://shop.test")
    found = doctor("https://shop.test/api/order")
    assert found.exit_code == 0
    assert (
        "  ok  platform     vercel: bodies up to 4.5 MB, requests up to 300 s unless configured otherwise"
        in found.output
    )


async def _on_vercel(_: Any, __: Any, send: Any) -> None:
    headers = [(b"x-vercel-id", b"fra1::abc"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 405, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def test_nobody_there(broker: TestBroker) -> None:
    result = doctor("https://nobody.test/")
    assert result.exit_code == 1
    assert " BAD  reachable" in result.output
