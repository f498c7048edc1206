"""What is special about single adapters; that all do the same is shown by the catalogue."""

import asyncio
import io
import json
from base64 import b64encode
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from flask import Flask
from starlette.applications import Starlette

from ringback.wire.http import Request
from ringback.workflow import Context, Middleware, workflow
from ringback.workflow import answers as answers_of
from ringback.workflow.adapters import asgi, aws_lambda, flask, starlette, vercel, wsgi
from ringback.workflow.definition import ServeOptions
from ringback.workflow.loops import LOOPS
from ringback.workflow.many import Endpoints
from support.scripted_broker import ScriptedBroker
from workflow.adapters import ADAPTERS, _call_wsgi, _over_asgi

URL = "https://shop.test/wf/hello"


async def hello(context: Context[str]) -> str:
    return f"hello {context.request_payload}"


def options(broker: ScriptedBroker, **more: Any) -> ServeOptions:
    return ServeOptions(**{"transport": broker.transport, "signing_keys": (), **more})


async def started_at(broker: ScriptedBroker, app: Any, url: str = URL) -> str:
    """Start a run by a plain request and return the URL under which it is to be found."""
    async with _over_asgi(app) as answer:
        path = "/" + url.split("/", 3)[3]
        response = await answer(Request("POST", path, [("host", "shop.test")], b'"you"'), url)
        assert response.status == 200, response.body
    (run,) = broker.runs.values()
    return run.url


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_an_unknown_name_is_answered_404_and_names_the_others(adapter: str) -> None:
    broker = ScriptedBroker()
    async with ADAPTERS[adapter]({"hello": hello}, options(broker)) as answer:
        lines = [("host", "shop.test"), ("content-type", "application/json")]
        response = await answer(Request("POST", "/wf/other", lines, b"{}"), "https://shop.test/wf/other")
    assert response.status == 404
    assert "hello" in json.loads(response.body)["message"]


async def test_one_workflow_is_served_at_one_path() -> None:
    for serve in (
        lambda app, broker: starlette.serve(app, "/wf/hello", hello, **options(broker)),
        lambda app, broker: starlette.serve(app.router, "/wf/{rest:path}", hello, **options(broker)),
    ):
        for app in (Starlette(), FastAPI()):
            broker = ScriptedBroker()
            serve(app, broker)
            assert await started_at(broker, app) == URL


async def test_a_router_brings_its_prefix() -> None:
    broker = ScriptedBroker()
    router = APIRouter(prefix="/wf")
    starlette.serve(router, "/hello", hello, **options(broker))
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    url = "https://shop.test/v1/wf/hello"
    assert await started_at(broker, app, url) == url


async def test_a_router_brings_its_prefix_to_several_workflows() -> None:
    broker = ScriptedBroker()
    router = APIRouter(prefix="/v1")
    starlette.serve_many(router, "/wf", {"hello": hello}, **options(broker))
    app = FastAPI()
    app.include_router(router)
    url = "https://shop.test/v1/wf/hello"
    assert await started_at(broker, app, url) == url


async def test_flask_serves_one_workflow_at_one_path() -> None:
    broker = ScriptedBroker()
    app = Flask(__name__)
    flask.serve(app, "/wf/hello", hello, **options(broker))
    request = Request("POST", "/wf/hello", [("content-type", "text/plain")], b"you")
    response = await asyncio.to_thread(_call_wsgi, app, request, URL)
    await asyncio.to_thread(LOOPS.close)
    assert response.status == 200
    assert [run.url for run in broker.runs.values()] == [URL]


async def test_bare_applications_serve_whatever_the_path() -> None:
    broker = ScriptedBroker()
    assert await started_at(broker, asgi.serve(hello, **options(broker))) == URL
    broker = ScriptedBroker()
    app = wsgi.serve(hello, **options(broker))
    request = Request("POST", "/a%20b?c=d", [("content-type", "text/plain")], b"you")
    response = await asyncio.to_thread(_call_wsgi, app, request, "https://shop.test/a%20b?c=d")
    await asyncio.to_thread(LOOPS.close)
    assert response.status == 200
    assert [run.url for run in broker.runs.values()] == ["https://shop.test/a%20b?c=d"]


async def test_a_status_without_a_name_has_a_status_line() -> None:
    async def typed(context: Context[int]) -> None:
        return None

    app = wsgi.serve(typed, **options(ScriptedBroker()))
    request = Request("POST", "/wf", [("content-type", "text/plain")], b"no number")
    response = await asyncio.to_thread(_call_wsgi, app, request, URL)
    await asyncio.to_thread(LOOPS.close)
    assert response.status == 489


async def test_bodies_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (asgi, wsgi, answers_of):
        monkeypatch.setattr(module, "LARGEST_BODY", 10)
    for size, status in ((10, 200), (11, 413)):
        broker = ScriptedBroker()
        request = Request("POST", "/wf", [("content-type", "text/plain"), ("host", "h")], b"x" * size)
        framed = Starlette()
        starlette.serve(framed, httpx.URL(URL).path, hello, **options(broker))
        for app in (asgi.serve(hello, **options(broker)), framed):
            async with _over_asgi(app) as answer:
                assert (await answer(request, URL)).status == status
        blocking = wsgi.serve(hello, **options(ScriptedBroker()))
        assert (await asyncio.to_thread(_call_wsgi, blocking, request, URL)).status == status
    await asyncio.to_thread(LOOPS.close)


async def test_an_asgi_application_starts_and_stops() -> None:
    app = asgi.serve(hello, **options(ScriptedBroker()))
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("env", "more", "url"),
    [
        ({"VERCEL_URL": "shop-abc.vercel.app"}, {}, "https://shop-abc.vercel.app/wf/hello"),
        ({"VERCEL_URL": "shop-abc.vercel.app"}, {"base_url": "https://own.test"}, "https://own.test/wf/hello"),
        ({}, {}, URL),
    ],
)
async def test_on_vercel_a_run_stays_on_its_deployment(env: dict[str, str], more: dict[str, str], url: str) -> None:
    broker = ScriptedBroker()
    assert await started_at(broker, vercel.serve(hello, **options(broker, env=env, **more))) == url


@pytest.mark.parametrize("base64", [True, False])
async def test_lambda_takes_text_and_base64(base64: bool) -> None:
    broker = ScriptedBroker()
    entry = aws_lambda.serve(hello, **options(broker))
    http = {"method": "POST", "path": "/wf/hello", "sourceIp": "1.2.3.4"}
    event = {
        "rawPath": "/wf/hello",
        "rawQueryString": "a=b",
        "headers": {"Content-Type": "text/plain"},
        "requestContext": {"domainName": "abc.lambda-url.eu-west-1.on.aws", "http": http},
        "body": b64encode("yöu".encode()).decode() if base64 else "yöu",
        "isBase64Encoded": base64,
    }
    said = await asyncio.to_thread(entry, event, None)
    await asyncio.to_thread(LOOPS.close)
    assert said["statusCode"] == 200
    (run,) = broker.runs.values()
    assert run.url == "https://abc.lambda-url.eu-west-1.on.aws/wf/hello?a=b"
    await broker._due.popleft()()
    assert run.entries[0].body == "yöu"


REST = {
    "path": "/wf/hello",
    "httpMethod": "POST",
    "headers": {"Content-Type": "text/plain"},
    "multiValueHeaders": {"Content-Type": ["text/plain"]},
    "multiValueQueryStringParameters": {"a": ["b c", "d"]},
    "requestContext": {
        "path": "/prod/wf/hello",
        "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
        "identity": {"sourceIp": "1.2.3.4"},
    },
    "body": "you",
}
BALANCER = {
    "path": "/wf/hello",
    "httpMethod": "POST",
    "headers": {"content-type": "text/plain", "host": "shop.test", "x-forwarded-proto": "http"},
    "queryStringParameters": {"a": "b%20c"},
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop/1"}},
    "body": "you",
}


@pytest.mark.parametrize(
    ("event", "url"),
    [
        (REST, "https://abc.execute-api.eu-west-1.amazonaws.com/prod/wf/hello?a=b+c&a=d"),
        (BALANCER, "http://shop.test/wf/hello?a=b%20c"),
    ],
)
async def test_lambda_is_served_behind_rest_apis_and_load_balancers(event: dict[str, Any], url: str) -> None:
    broker = ScriptedBroker()
    said = await asyncio.to_thread(aws_lambda.serve_many({"hello": hello}, **options(broker)), event, None)
    await asyncio.to_thread(LOOPS.close)
    assert said["statusCode"] == 200, said
    assert [run.url for run in broker.runs.values()] == [url]


async def test_a_load_balancer_with_several_values_of_a_header_gets_them_back_so() -> None:
    lines = {name: [value] for name, value in BALANCER["headers"].items()}
    event = {**BALANCER, "headers": None, "multiValueHeaders": lines}
    said = await asyncio.to_thread(aws_lambda.serve(hello, **options(ScriptedBroker())), event, None)
    await asyncio.to_thread(LOOPS.close)
    assert said["multiValueHeaders"]["Content-Type"] == ["application/json"]
    assert "headers" not in said


@pytest.mark.parametrize("event", [{"Records": []}, {"requestContext": {}}, {}, "text"])
def test_lambda_says_what_has_to_call_it(event: Any) -> None:
    with pytest.raises(TypeError, match="function URL, an API gateway or a load balancer"):
        aws_lambda.serve(hello, **options(ScriptedBroker()))(event, None)


async def test_event_loops_are_used_again_and_only_as_many_as_are_needed() -> None:
    broker = ScriptedBroker()
    endpoints = Endpoints({"hello": hello}, options(broker))
    request = Request("GET", "/wf/hello", [])

    def one_after_the_other() -> int:
        for _ in range(5):
            LOOPS.wait_for(endpoints.answer(request, URL), endpoints.close)
        return len(LOOPS._idle)

    assert await asyncio.to_thread(one_after_the_other) == 1
    await asyncio.to_thread(LOOPS.close)


async def generating(context: Context[str]) -> Any:
    yield context.request_payload


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"failure_func": hello}, TypeError, "no option 'failure_func'; there is 'failure_function'"),
        ({"failure_function": "hello"}, TypeError, "failure_function must be a function, not 'hello'"),
        ({"base_url": "shop.test"}, ValueError, "base_url must begin with http"),
        ({"signing_keys": "sig_abc"}, TypeError, "signing_keys must be a sequence of keys"),
        ({"run_options": {"retries": 1}}, TypeError, r"run_options must be RunOptions"),
        ({"transport": "http://broker.test"}, TypeError, "transport must be an AsyncTransport"),
        ({"middlewares": [Middleware]}, TypeError, r"write Middleware\(\) in place of Middleware"),
        ({"middlewares": Middleware()}, TypeError, "middlewares must be a list"),
    ],
)
@pytest.mark.parametrize("serve", [asgi.serve, workflow])
def test_an_option_that_is_wrong_is_refused_when_it_is_given(
    serve: Any, given: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        serve(hello, **given)


@pytest.mark.parametrize(
    ("served", "text"),
    [
        ("hello", "a workflow is a function that takes the context, not 'hello'"),
        (generating, "generating is a generator.*have no `yield`"),
    ],
)
def test_what_is_no_workflow_is_not_served(served: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        asgi.serve(served)


def test_a_workflow_that_was_called_is_not_served() -> None:
    with pytest.raises(TypeError, match="hello was called: serve the function itself"):
        asgi.serve(hello(None))  # type: ignore[arg-type]


def test_several_workflows_have_names() -> None:
    with pytest.raises(TypeError, match="must be a mapping of names"):
        asgi.serve_many([hello])  # type: ignore[arg-type]


async def test_a_public_address_without_a_scheme_is_named() -> None:
    app = asgi.serve(hello, **options(ScriptedBroker(), env={"UPSTASH_WORKFLOW_URL": "shop.test"}))
    async with _over_asgi(app) as answer:
        response = await answer(Request("POST", "/wf/hello", [("host", "shop.test")], b'"you"'), URL)
    assert "UPSTASH_WORKFLOW_URL must begin with http" in json.loads(response.body)["message"]


def test_a_name_with_a_slash_cannot_be_served() -> None:
    with pytest.raises(ValueError, match="last part of its path"):
        Endpoints({"a/b": hello}, ServeOptions())


def test_wsgi_reads_no_more_than_the_length_says() -> None:
    environ: dict[str, Any] = {"CONTENT_LENGTH": "x", "REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(b"abc")}
    environ |= {"wsgi.url_scheme": "http", "SERVER_NAME": "h", "SERVER_PORT": "80", "PATH_INFO": "/p"}
    statuses: list[str] = []
    app = wsgi.serve(hello, **options(ScriptedBroker()))
    app(environ, lambda status, headers, exc_info=None: statuses.append(status))  # type: ignore[arg-type, return-value]
    LOOPS.close()
    assert statuses == ["200 OK"]
