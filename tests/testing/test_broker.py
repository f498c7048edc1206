"""The test broker: what users test their workflows and handlers with."""

import asyncio
import os
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request
from flask import Flask, request
from qstash import AsyncQStash, QStash, Receiver

from ringback.client import WorkflowClient
from ringback.testing import Answer, AsyncTestBroker, NobodyThere, Stuck, TestBroker
from ringback.workflow import BlockingContext, Context, Event, NonRetryableError, RunOptions, workflow
from ringback.workflow.adapters.flask import serve as serve_in_flask
from ringback.workflow.adapters.starlette import serve as serve_in_fastapi

pytest_plugins = ["ringback.testing.plugin"]


async def remind(context: Context[str]) -> str:
    await context.sleep("three weeks", "3w")
    return await context.run("write", lambda: f"wrote to {context.request_payload}")


def blocking(context: BlockingContext[int]) -> int:
    return context.run("double", lambda: 2 * context.request_payload)


async def approval(context: Context[None]) -> str:
    event: Event = await context.wait_for_event("wait", "approved", timeout="2d")
    return "nobody" if event.timed_out else str(event.data)


async def ask(context: Context[None]) -> list[Any]:
    answer = await context.call("ask", url="https://api.test/v1/ask", method="POST", body={"q": 1}, retries=1)
    return [answer.status, answer.body]


async def parent(context: Context[None]) -> Any:
    child = await context.invoke("child", remind, body='"ada"')
    return child.body


def test_a_workflow_that_sleeps_three_weeks_is_tested_at_once(ringback_broker: TestBroker) -> None:
    begun = ringback_broker.now
    run = ringback_broker.trigger(remind, '"ada"')
    ringback_broker.run_until_idle()
    assert (run.state, run.result, run.steps) == ("RUN_STARTED", None, [])
    assert run.waits_for.startswith("step 'three weeks' sleeps until ")
    ringback_broker.turn(timedelta(days=20))
    assert run.steps == []
    ringback_broker.turn("1d")
    assert run.result == "wrote to ada"
    assert [step.name for step in run.steps] == ["three weeks", "write"]
    assert run.step("write").result == "wrote to ada"
    assert ringback_broker.now - begun == timedelta(weeks=3)
    with pytest.raises(AssertionError, match="three weeks"):
        run.step("writ")


def test_nothing_happens_by_itself(ringback_broker: TestBroker) -> None:
    run = ringback_broker.trigger(blocking, 4)
    ringback_broker.fail("double", times=2)
    assert ringback_broker.delivered == []
    ringback_broker.run_to_end()
    assert (run.result, run.executions("double")) == (8, 1)
    assert [one.attempt for one in ringback_broker.delivered] == [0, 1, 2, 0]


async def test_asynchronous_tests_await() -> None:
    async with AsyncTestBroker(at=datetime(2030, 1, 1, tzinfo=UTC)) as broker:
        broker.serve(remind)
        run = await broker.trigger(parent)
        await broker.run_to_end()
        assert run.result == "wrote to ada"
        assert [one.state for one in broker.runs] == ["RUN_SUCCESS", "RUN_SUCCESS"]
        assert broker.now == datetime(2030, 1, 22, tzinfo=UTC)


class WithUnittest(unittest.TestCase):
    def setUp(self) -> None:
        self.broker = self.enterContext(TestBroker())

    def test_it_needs_no_pytest(self) -> None:
        run = self.broker.trigger(blocking, 3)
        self.broker.run_to_end()
        assert run.result == 6


def test_events_come_when_the_test_says_so(ringback_broker: TestBroker) -> None:
    answered, late, kept = (ringback_broker.trigger(approval, run_id=name) for name in ("a", "b", "c"))
    assert ringback_broker.notify("approved", "too early for all") == 0
    assert ringback_broker.notify("approved", "kept", kept) == 1
    ringback_broker.run_until_idle()
    assert kept.result == "kept"
    assert ringback_broker.notify("approved", "yes", answered) == 1
    ringback_broker.run_to_end()
    assert (answered.result, late.result) == ("yes", "nobody")


def test_a_planned_event_comes_as_soon_as_it_is_waited_for(ringback_broker: TestBroker) -> None:
    begun = ringback_broker.now
    ringback_broker.plan_event("approved", {"by": "ada"})
    run = ringback_broker.trigger(approval)
    ringback_broker.run_until_idle()
    assert run.result == "{'by': 'ada'}"
    assert ringback_broker.now == begun


def test_a_stub_answers_for_a_service(ringback_broker: TestBroker) -> None:
    stub = ringback_broker.stub("ask", Answer(503, "busy"), {"text": "hello"})
    run = ringback_broker.trigger(ask)
    ringback_broker.run_to_end()
    assert run.result == [200, {"text": "hello"}]
    assert [asked.json() for asked in stub.asked] == [{"q": 1}, {"q": 1}]
    ringback_broker.stub("https://api.test/", lambda asked: Answer(202, asked.method))
    again = ringback_broker.trigger(ask)
    ringback_broker.run_to_end()
    assert again.result == [202, "POST"]


def test_a_service_that_does_not_answer_is_a_gateways_error(ringback_broker: TestBroker) -> None:
    ringback_broker.stub("ask", ConnectionError("refused"))
    run = ringback_broker.trigger(ask)
    ringback_broker.run_to_end()
    assert run.result == [502, "refused"]


def test_a_call_that_nobody_answers_fails_the_test(ringback_broker: TestBroker) -> None:
    ringback_broker.trigger(ask)
    with pytest.raises(NobodyThere, match=r"step 'ask' calls POST https://api\.test/v1/ask.*stub"):
        ringback_broker.run_until_idle()


def test_a_failed_run_says_why_and_its_failure_function_is_called(ringback_broker: TestBroker) -> None:
    told: list[str] = []

    async def doomed(context: Context[None]) -> None:
        await context.run("fail", _fail)

    def on_failure(failure: Any) -> None:
        told.append(failure.message)

    run = ringback_broker.trigger(workflow(doomed, failure_function=on_failure))
    ringback_broker.run_to_end()
    assert (run.state, run.error) == ("RUN_FAILED", "NonRetryableError: no such order")
    assert told == ["no such order"]


def _fail() -> None:
    raise NonRetryableError("no such order")


def test_what_can_never_end_is_no_endless_test(ringback_broker: TestBroker) -> None:
    async def for_ever(context: Context[None]) -> None:
        while True:
            await context.sleep("a day", "1d")

    run = ringback_broker.trigger(for_ever)
    with pytest.raises(Stuck, match="has not ended: step 'a day' sleeps until"):
        ringback_broker.run_to_end("2w")
    assert len(run.steps) >= 13


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_an_application_that_reads_the_environment_finds_the_broker(
    framework: str, ringback_broker: TestBroker
) -> None:
    app: Any = _fastapi() if framework == "fastapi" else _flask()
    base = ringback_broker.mount(app)
    # A plain message starts the workflow, which waits: both need the application's own calls to the broker
    message = ringback_broker.publish(f"{base}/api/approval", None)
    ringback_broker.plan_event("approved", "fine")
    ringback_broker.run_to_end()
    assert message.state == "DELIVERED"
    assert [run.result for run in ringback_broker.runs] == ["fine"]


def _fastapi() -> FastAPI:
    app = FastAPI()
    serve_in_fastapi(app, "/api/approval", approval)
    return app


def _flask() -> Flask:
    app = Flask("app")
    serve_in_flask(app, "/api/approval", approval)
    return app


def test_a_handler_of_plain_messages_gets_signed_requests_and_retries(ringback_broker: TestBroker) -> None:
    app, tries = Flask("app"), []

    @app.post("/hello")
    def hello() -> tuple[str, int]:
        keys = (os.environ["QSTASH_CURRENT_SIGNING_KEY"], os.environ["QSTASH_NEXT_SIGNING_KEY"])
        receiver = Receiver(*keys)
        receiver.verify(
            signature=request.headers["Upstash-Signature"], body=request.get_data(as_text=True), url=request.url
        )
        tries.append(request.headers["Upstash-Retried"])
        return "busy", 503 if len(tries) < 3 else 200

    ringback_broker.mount(app, "https://app.test")
    message = ringback_broker.publish("https://app.test/hello", {"a": 1}, upstash_retries="5")
    ringback_broker.turn("1h")
    assert (message.state, tries, len(message.errors)) == ("DELIVERED", ["0", "1", "2"], 2)


def test_an_application_that_raises_answers_500(ringback_broker: TestBroker) -> None:
    app = FastAPI()

    @app.post("/broken")
    async def broken(_: Request) -> None:
        raise LookupError("no row")

    message = ringback_broker.publish(f"{ringback_broker.mount(app)}/broken", upstash_retries="0")
    ringback_broker.run_until_idle()
    assert message.state == "FAILED"


def test_official_clients_reach_it(ringback_broker: TestBroker) -> None:
    stub = ringback_broker.stub("https://shop.test", "ok")
    client = QStash(ringback_broker.environment["QSTASH_TOKEN"], base_url=ringback_broker.url)
    ringback_broker.connect(client)
    client.message.publish_json(url="https://shop.test/hook", body={"n": 1})
    other = AsyncQStash(ringback_broker.environment["QSTASH_TOKEN"], base_url=ringback_broker.url)
    ringback_broker.connect(other)
    asyncio.run(other.message.publish_json(url="https://shop.test/hook", body={"n": 2}))
    ringback_broker.run_to_end()
    assert sorted(asked.json()["n"] for asked in stub.asked) == [1, 2]
    with pytest.raises(TypeError, match="QStash"):
        ringback_broker.connect(object())


def test_clients_made_from_the_environment_reach_it_from_any_thread(ringback_broker: TestBroker) -> None:
    async def starter(context: Context[None]) -> str:
        return await context.run("start another", start)

    def start() -> str:  # a blocking step runs in a thread
        with WorkflowClient() as client:
            return client.trigger(url=url, body=21).workflow_run_id

    url = ringback_broker.serve(blocking)
    run = ringback_broker.trigger(starter)
    ringback_broker.run_to_end()
    other = ringback_broker.runs[-1]
    assert (run.result, other.result) == (other.id, 42)


def test_retries_and_headers_of_a_trigger_hold(ringback_broker: TestBroker) -> None:
    ringback_broker.fail("double", times=9, error=LookupError("gone"))
    run = ringback_broker.trigger(blocking, 1, options=RunOptions(retries=1))
    ringback_broker.run_to_end()
    assert (run.state, run.error) == ("RUN_FAILED", "LookupError: gone")
    assert len(ringback_broker.delivered) == 3  # two tries, and the call of a failure function that is not there


def test_the_environment_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSTASH_TOKEN", "mine")
    monkeypatch.setenv("QSTASH_DEV", "true")
    monkeypatch.delenv("QSTASH_URL", raising=False)
    with TestBroker() as broker:
        assert os.environ["QSTASH_TOKEN"] == broker.environment["QSTASH_TOKEN"] != "mine"
        assert "QSTASH_DEV" not in os.environ
    assert os.environ["QSTASH_TOKEN"] == "mine"
    assert os.environ["QSTASH_DEV"] == "true"
    assert "QSTASH_URL" not in os.environ


def test_it_has_to_be_opened_first() -> None:
    with pytest.raises(RuntimeError, match="with TestBroker"):
        TestBroker().run_until_idle()


def test_an_applications_lifespan_begins_before_its_first_request_and_ends_with_the_broker() -> None:
    told: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        told.append("begun")
        yield {"shop": "open"}
        told.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.post("/look")
    async def look(request: Request) -> None:
        told.append(request.state.shop)

    with TestBroker() as broker:
        base = broker.mount(app)
        for _ in range(2):
            broker.publish(f"{base}/look")
        assert told == []
        broker.run_until_idle()
        assert told == ["begun", "open", "open"]
    assert told == ["begun", "open", "open", "ended"]


def test_an_application_that_cannot_start_fails_the_test() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    with TestBroker() as broker:
        base = broker.mount(FastAPI(lifespan=lifespan))
        broker.publish(f"{base}/look")
        with pytest.raises(AssertionError, match="no database"):
            broker.run_until_idle()


async def rendering(context: Context[None]) -> Any:
    hook = await context.create_webhook("address")
    await context.call("start", url="https://render.test/jobs", method="POST", body={"notify": hook.url})
    call = await context.wait_for_webhook("finished", hook, timeout="1h")
    return None if call.request is None else [call.request.method, call.request.json(), call.request.headers["x-job"]]


def test_a_third_party_calls_the_address_it_was_given(ringback_broker: TestBroker) -> None:
    stub = ringback_broker.stub("start", {"id": 1})
    run = ringback_broker.trigger(rendering)
    ringback_broker.run_until_idle()
    address = stub.asked[0].json()["notify"]
    assert ringback_broker.call_webhook(address, {"video": "a.mp4"}, method="PUT", x_job="7") == 200
    ringback_broker.run_until_idle()
    assert run.result == ["PUT", {"video": "a.mp4"}, "7"]
    assert ringback_broker.call_webhook(address, {"video": "a.mp4"}) == 404


async def test_an_application_and_its_url_in_the_wrong_order_are_told() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        """Answer nothing."""

    async with AsyncTestBroker() as broker:
        with pytest.raises(TypeError, match="the application first"):
            broker.mount("https://shop.test", app)  # type: ignore[arg-type]
