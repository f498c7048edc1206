"""ASGI, WSGI and Lambda handlers are told apart and called as they are called there."""

import base64
import sys
from pathlib import Path

import httpx
import pytest
from mangum import Mangum
from starlette.applications import Starlette

from ringback.client import Broker, LogFilter, WorkflowClient
from ringback.simulate.inside.events import NotAnAnswer, answer_of, event_of
from ringback.simulate.inside.loading import NotAnApplication, interface_of
from ringback.simulate.inside.state import _sum as summed
from ringback.simulate.pytest import Simulate
from simulate.conftest import variables
from support.endpoint import eventually
from support.process import BrokerProcess

CONTEXT = {"domainName": "x.lambda-url.test", "requestId": "1", "sourceIp": "10.0.0.1", "timeEpoch": 5}


def test_a_flask_application_is_served(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "wsgi_shop:app", folder=apps)
    answer = httpx.post(f"{simulation.url}/echo", content=b"shoes").json()
    assert answer == {"body": "shoes", "host": simulation.url.removeprefix("http://"), "caller": "127.0.0.1"}
    assert simulation.findings == []


@pytest.mark.parametrize("front", ["function-url", "api-gateway"])
def test_a_handler_gets_the_event_and_the_remaining_time(simulate: Simulate, apps: Path, front: str) -> None:
    simulation = simulate("lambda", "handlers:echo", folder=apps, duration_s=60, front=front)
    answer = httpx.post(
        f"{simulation.url}/a%20b?x=1&x=2",
        content=b'{"a": 1}',
        headers={"Content-Type": "application/json", "X-Id": "7"},
    )
    event = answer.json()["event"]
    assert (answer.status_code, answer.headers["x-kind"], answer.headers.get_list("set-cookie")) == (
        201,
        "echo",
        ["a=1", "b=2"],
    )
    assert (event["rawPath"], event["rawQueryString"]) == ("/a%20b", "x=1&x=2")
    assert (event["body"], event["isBase64Encoded"], event["headers"]["x-id"]) == ('{"a": 1}', False, "7")
    assert event["queryStringParameters"] == {"x": "1,2"}
    assert 0 < answer.json()["remaining"] <= 60_000
    eventually(lambda: simulation.snapshot()["instances"][0]["state"] == "frozen")
    assert simulation.findings == []


def test_bytes_travel_as_base64_both_ways(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("lambda", "handlers:echo", folder=apps)
    event = httpx.post(simulation.url, content=b"\x00\xff").json()["event"]
    assert (event["isBase64Encoded"], base64.b64decode(event["body"])) == (True, b"\x00\xff")
    assert httpx.get(simulate("lambda", "handlers:picture", folder=apps).url).content == b"\x00\xff"


@pytest.mark.parametrize("name", ["wrong", "broken"])
def test_a_handler_that_fails_is_a_bad_gateway(simulate: Simulate, apps: Path, name: str) -> None:
    simulation = simulate("lambda", f"handlers:{name}", folder=apps)
    assert httpx.get(simulation.url).status_code == 502
    assert httpx.get(simulation.url).status_code == 502
    assert simulation.snapshot()["coldStarts"] == 1


def test_a_handler_that_takes_too_long_is_killed(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("lambda", "handlers:slow", folder=apps, duration_s=0.3)
    assert httpx.get(simulation.url).status_code == 502
    eventually(lambda: simulation.snapshot()["instances"] == [])


def test_names_are_lower_cased_values_joined_and_cookies_apart() -> None:
    headers = [("Accept", "a"), ("accept", "b"), ("Cookie", "x=1; y=2"), ("Content-Type", "text/plain")]
    event = event_of("GET", "/", "", headers, "grüße".encode(), CONTEXT)
    assert (event["headers"], event["cookies"], event["body"]) == (
        {"accept": "a,b", "content-type": "text/plain"},
        ["x=1", "y=2"],
        "grüße",
    )


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("application/json", b"{}", False),
        ("application/json", b"\xff", True),
        ("image/png", b"abc", True),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("", b"", False),
    ],
)
def test_only_text_travels_as_text(content_type: str, body: bytes, encoded: bool) -> None:
    event = event_of("POST", "/", "", [("content-type", content_type)], body, CONTEXT)
    assert event["isBase64Encoded"] is encoded


def test_a_result_without_a_status_is_json() -> None:
    assert answer_of({"a": 1}).body == b'{"a": 1}'
    assert answer_of("hello").status == 200
    with pytest.raises(NotAnAnswer):
        answer_of({"statusCode": 200, "body": b"bytes"})


def test_interfaces_are_told_apart() -> None:
    def wsgi(environ, start_response): ...
    def handler(event, context): ...
    async def asgi(scope, receive, send): ...

    class Flask:
        def __call__(self, environ, start_response): ...

    class Fast:
        async def __call__(self, scope, receive, send): ...

    assert [interface_of(one, "lambda") for one in (wsgi, handler, asgi, Flask(), Fast())] == [
        "wsgi",
        "lambda",
        "asgi",
        "wsgi",
        "asgi",
    ]
    assert interface_of(handler, "vercel") == "wsgi"
    for wrong in ("text", lambda: None):
        with pytest.raises(NotAnApplication):
            interface_of(wrong, "vercel")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated where the function is defined")
def test_an_application_may_be_annotated_with_types_that_exist_for_type_checkers_only() -> None:
    def application(environ: WSGIEnvironment, start_response: StartResponse): ...  # noqa: F821 - from _typeshed.wsgi

    assert interface_of(application, "vercel") == "wsgi"


async def test_an_object_that_takes_an_event_is_a_handler() -> None:
    # With a loop at hand Mangum does not make one that nobody would close
    assert interface_of(Mangum(Starlette(), lifespan="off"), "lambda") == "lambda"


def test_variables_that_hold_classes_are_summed_up() -> None:
    class Sized:
        def __len__(self) -> int:
            raise OSError

    assert summed([dict, Sized()], 3) == summed([list, Sized()], 3)
    assert summed([dict], 3) != summed([1], 3)


def test_a_workflow_in_a_lambda_handler_comes_to_its_end(simulate: Simulate, apps: Path, broker: BrokerProcess) -> None:
    simulation = simulate("lambda", "handlers:workflow", folder=apps, environment=variables(broker))
    with WorkflowClient(Broker(broker.url, broker.token)) as client:
        started = client.trigger(url=f"{simulation.url}/welcome", body="ann")
        mine = LogFilter(workflow_run_id=started.workflow_run_id)
        eventually(lambda: client.logs(mine).items[0]["workflowState"] == "RUN_SUCCESS", 60)
        assert client.logs(mine).items[0]["workflowRunResponse"] == '"hello ANN"'
    assert simulation.findings == []
