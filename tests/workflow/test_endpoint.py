"""What the endpoint answers to each kind of delivery, and what a refusal of the broker means."""

import asyncio
import json
import sys
from base64 import b64encode
from typing import Any

import pytest

from ringback import clock
from ringback.client import RunOptions
from ringback.wire.http import Request, Response
from ringback.wire.signing import sign
from ringback.workflow import (
    BlockingContext,
    Context,
    Failure,
    Middleware,
    NonRetryableError,
    RetryAfterError,
    StepFailed,
)
from ringback.workflow.definition import as_workflow
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.middleware import Logging
from support.scripted_broker import Entry, ScriptedBroker
from workflow.one import URL, run_one, serve_one


def headers_of(response: Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers}


async def one_step(context: Context[Any]) -> str:
    return await context.run("only", lambda: "done")


# Starting


async def test_a_plain_post_starts_a_run_and_passes_its_headers_on() -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step, run_options=RunOptions(retries=1, labels=("gold",)))
    response = await broker.post(URL, b'{"n":1}', x_tenant="acme", upstash_retried="0", connection="close")
    assert json.loads(response.body)["finishCondition"] == "success"
    (run,) = broker.runs.values()
    sent = {name for name in run.headers if name.startswith("upstash-forward-")}
    assert sent == {
        "upstash-forward-upstash-workflow-sdk-version",
        "upstash-forward-x-tenant",
        "upstash-forward-upstash-label",
    }
    assert (run.headers["upstash-retries"], run.headers["upstash-label"]) == ("1", "gold")
    assert run.headers["upstash-failure-callback"] == URL
    await broker.drain()
    assert run.result == '"done"'


async def test_a_repeated_start_message_starts_one_run() -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step)
    for _ in range(2):
        await broker.post(URL, b"{}", upstash_message_id="msg_publish")
    assert len(broker.runs) == 1
    await broker.post(URL, b"{}", upstash_message_id="msg_other")
    assert len(broker.runs) == 2


@pytest.mark.parametrize("body", [b'[{"messageId":"msg_1","body":"eyJuIjoxfQ==","callType":"step"}]', b""])
async def test_a_broker_that_does_not_know_the_sdk_gets_to_know_it(body: bytes) -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step)
    run = broker.trigger(URL, {"n": 1})
    broker._due.clear()
    run.entries.append(Entry("msg_1", '{"n":1}'))
    known = {"upstash_workflow_unknown_sdk": "true", "upstash_workflow_runid": run.id}
    response = await broker.post(URL, body, **known)
    assert headers_of(response)["upstash-workflow-sdk"].startswith("v1.")
    assert broker.api_calls == ([] if body else [f"GET /v2/workflows/runs/{run.id}"]) + ["POST /v2/batch"]
    await broker.drain()
    assert run.state == "RUN_SUCCESS"
    assert list(broker.runs) == [run.id]


@pytest.mark.parametrize(
    ("callback", "calls"),
    [
        ({"status": 500, "retried": 0, "maxRetries": 2}, 0),
        ({"status": 500, "retried": 2, "maxRetries": 2}, 1),
        ({"status": 500, "retried": 0, "maxRetries": 0}, 1),
        ({"status": 204, "retried": 0, "maxRetries": 2}, 1),
    ],
)
async def test_a_call_that_will_be_tried_again_has_no_result_yet(callback: dict[str, int], calls: int) -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step)
    run = broker.trigger(URL)
    marks = {"upstash_workflow_callback": "true", "upstash_workflow_stepid": "1", "upstash_workflow_runid": run.id}
    response = await broker.post(URL, json.dumps(callback).encode(), **marks)
    assert json.loads(response.body)["finishCondition"] == "fromCallback"
    assert len(broker.api_calls) == calls


async def test_an_answer_too_large_to_be_sent_is_fetched() -> None:
    async def asks(context: Context[None]) -> int:
        return len((await context.call("ask", url="https://vendor.test/")).body)

    broker = ScriptedBroker()
    serve_one(broker, asks)
    run = broker.trigger(URL)
    broker._due.clear()
    said = {"status": 200, "header": {}, "body": b64encode(b"x" * 1000).decode(), "retried": 0, "maxRetries": 0}
    run.entries += [
        Entry("msg_0", ""),
        Entry("msg_1", "", "toCallback"),
        Entry("msg_2", json.dumps(said), "fromCallback"),
    ]
    marks = {"callback": "true", "stepid": "1", "stepname": "ask", "steptype": "Call", "concurrent": "1"}
    named = {f"upstash_workflow_{name}": value for name, value in (marks | {"runid": run.id}).items()}
    response = await broker.post(URL, b"", upstash_message_id="msg_2", **named)
    assert json.loads(response.body)["finishCondition"] == "fromCallback"
    await broker.drain()
    assert run.result == "1000"
    response = await broker.post(URL, b"", upstash_message_id="msg_2", **named)
    assert json.loads(response.body)["finishCondition"] == "workflow-already-ended"


async def test_a_payload_that_does_not_fit_is_refused_for_good_and_names_the_field() -> None:
    async def typed(context: Context[dict[str, int]]) -> None:
        await context.run("never", lambda: 1)

    broker = ScriptedBroker()
    serve_one(broker, typed)
    response = await broker.post(URL, b'{"n":"many"}')
    assert response.status == 489
    assert headers_of(response)["upstash-nonretryable-error"] == "true"
    assert "expected int, got str" in json.loads(response.body)["message"]
    assert broker.runs == {}


@pytest.mark.parametrize(("body", "payload"), [(b"", None), (b"plain text", "plain text"), (b"[1]", [1])])
async def test_an_untyped_payload_is_json_or_text(body: bytes, payload: object) -> None:
    async def echo(context: Context[Any]) -> Any:
        return [context.request_payload]

    broker = ScriptedBroker()
    serve_one(broker, echo)
    await broker.post(URL, body)
    await broker.drain()
    assert json.loads(next(iter(broker.runs.values())).result or "") == [payload]


# Who may call


@pytest.mark.parametrize(
    "change",
    [{"upstash-signature": None}, {"upstash-signature": "a.b.c"}, {"body": b"[other]"}],
)
async def test_a_forged_delivery_is_answered_401_and_runs_nothing(change: dict[str, Any]) -> None:
    broker = ScriptedBroker()
    endpoint = serve_one(broker, one_step)
    signature = sign(URL, b"[]", broker.broker.signing_keys[0], clock.now(), "j")
    headers = {"upstash-signature": signature} | {k: v for k, v in change.items() if k != "body"}
    lines = [(name, value) for name, value in headers.items() if value is not None]
    response = await endpoint.answer(Request("POST", "/wf/one", lines, change.get("body", b"[]")), URL)
    assert response.status == 401
    assert json.loads(response.body)["error"] == "SignatureInvalid"
    assert broker.api_calls == []


async def test_the_next_signing_key_is_accepted() -> None:
    broker = ScriptedBroker()
    endpoint = serve_one(broker, one_step)
    signature = sign(URL, b"", broker.broker.signing_keys[1], clock.now(), "j")
    response = await endpoint.answer(Request("POST", "/wf/one", [("upstash-signature", signature)], b""), URL)
    assert response.status == 200


async def test_without_signing_keys_nothing_is_accepted_and_the_error_names_the_variables() -> None:
    broker = ScriptedBroker()
    endpoint = serve_one(broker, one_step)
    del endpoint.workflow.options["transport"]
    env = {"QSTASH_TOKEN": "t"}
    bare = serve_one(broker, endpoint.workflow.function, transport=broker.transport, env=env)
    del bare.workflow.options["transport"]
    response = await bare.answer(Request("POST", "/wf/one", [], b"{}"), URL)
    assert response.status == 500
    assert "QSTASH_CURRENT_SIGNING_KEY" in json.loads(response.body)["message"]


@pytest.mark.parametrize(
    ("region", "key", "status"),
    [("eu-central-1", "eu_key", 200), ("us-east-1", "eu_key", 401), (None, "us_key", 200), ("mars", "us_key", 200)],
)
async def test_in_several_regions_each_has_its_own_keys(region: str | None, key: str, status: int) -> None:
    async def nothing(context: Context[None]) -> int:
        return 7

    env = {"QSTASH_REGION": "US_EAST_1"}
    for name, prefix in (("us", "US_EAST_1"), ("eu", "EU_CENTRAL_1")):
        env |= {f"{prefix}_QSTASH_TOKEN": name, f"{prefix}_QSTASH_CURRENT_SIGNING_KEY": f"{name}_key"}
    endpoint = Endpoint(as_workflow(nothing, {"env": env}))
    body = b'[{"messageId":"m","body":"","callType":"step"}]'
    lines = [
        ("upstash-signature", sign(URL, body, key, clock.now(), "j")),
        ("upstash-workflow-sdk-version", "1"),
        ("upstash-workflow-runid", "wfr_1"),
        ("ringback-accept-result", "1"),
        *([("upstash-region", region)] if region else []),
    ]
    response = await endpoint.answer(Request("POST", "/wf/one", lines, body), URL)
    assert response.status == status
    await endpoint.close()


async def test_the_signed_url_is_where_steps_are_published() -> None:
    broker = ScriptedBroker()
    endpoint = serve_one(broker, one_step)
    signature = sign("https://public.test/wf/one", b"{}", broker.broker.signing_keys[0], clock.now(), "j")
    request = Request("POST", "/wf/one", [("upstash-signature", signature)], b"{}")
    await endpoint.answer(request, "http://10.0.0.7:3000/wf/one")
    assert [run.url for run in broker.runs.values()] == ["https://public.test/wf/one"]


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"base_url": "https://tunnel.test"}, "https://tunnel.test/wf/one"),
        ({"url": "https://else.test/x?y=1"}, "https://else.test/x?y=1"),
        ({"env": {"UPSTASH_WORKFLOW_URL": "https://env.test"}}, "https://env.test/wf/one"),
    ],
)
async def test_a_configured_url_wins(options: dict[str, Any], url: str) -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step, **options)
    await broker.post(URL, b"{}")
    assert [run.url for run in broker.runs.values()] == [url]


async def test_other_methods_and_protocols_are_refused() -> None:
    broker = ScriptedBroker()
    endpoint = serve_one(broker, one_step)
    assert (await endpoint.answer(Request("GET", "/", []), URL)).status == 405
    response = await broker.post(URL, b"[]", upstash_workflow_sdk_version="9", upstash_workflow_runid="wfr_1")
    assert (response.status, "protocol 1" in json.loads(response.body)["message"]) == (500, True)
    response = await broker.post(URL, b"[]", upstash_workflow_sdk_version="1")
    assert "Upstash-Workflow-RunId" in json.loads(response.body)["message"]
    response = await broker.post(URL, b"{}", upstash_workflow_sdk_version="1", upstash_workflow_runid="wfr_1")
    assert "JSON array" in json.loads(response.body)["message"]


# What errors say


async def test_every_answer_shows_the_sdk() -> None:
    broker = ScriptedBroker()
    endpoint = serve_one(broker, one_step)
    for request in (Request("GET", "/", []), Request("POST", "/", [], b"x")):
        headers = headers_of(await endpoint.answer(request, URL))
        assert headers["upstash-workflow-sdk-version"] == "1"
        assert headers["upstash-workflow-sdk"] == "v1.3.2"


async def test_an_error_names_its_step_and_is_tried_again() -> None:
    tried: list[int] = []

    def flaky() -> str:
        tried.append(1)
        if len(tried) < 3:
            raise ValueError(f"try {len(tried)}")
        return "ok"

    async def flaky_once(context: Context[None]) -> str:
        await context.run("steady", lambda: tried.append(0))
        tried.clear()
        return await context.run("flaky ✓", flaky)

    broker = ScriptedBroker()
    serve_one(broker, flaky_once)
    run = broker.trigger(URL)
    await broker.drain()
    assert run.state == "RUN_FAILED"  # the code between steps runs on every delivery, and clears the count

    tried.clear()
    run = await run_with_retries(flaky, 3)
    assert [error["message"] for error in run.errors] == ["try 1", "try 2"]
    assert run.result == '"ok"'


async def run_with_retries(function: Any, most: int, **step: Any) -> Any:
    async def code(context: Context[None]) -> Any:
        return await context.step(**step).run("the step", function)

    broker = ScriptedBroker()
    serve_one(broker, code)
    run = broker.trigger(URL)
    run.retries = most
    await broker.drain()
    return run


def test_an_error_in_a_step_is_answered_with_its_name() -> None:
    from ringback.workflow.answers import failed

    response = failed(ValueError("x"), "stép ✓\n2")
    name = headers_of(response)["upstash-error-step-name"]
    assert name.encode("latin-1").decode() == "stép ✓ 2"


async def test_a_retry_after_error_names_the_wait() -> None:
    from ringback.workflow.answers import failed

    for after, said in (("2m", "120"), (7, "7"), (0.2, "1"), ("30", "30")):  # the last as it stands in a header
        response = failed(RetryAfterError("slow down", after))
        assert (response.status, headers_of(response)["retry-after"]) == (429, said)


@pytest.mark.parametrize("after", ["soon", None])
def test_a_time_that_is_none_is_refused_and_not_taken_for_a_second(after: Any) -> None:
    with pytest.raises(ValueError, match="RetryAfterError wants to be tried again must be seconds"):
        RetryAfterError("slow down", after)


async def test_in_a_group_of_errors_the_decisive_one_counts() -> None:
    async def grouped(context: Context[None]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(context.run("fine", lambda: 1))
            group.create_task(fails())

    async def fails() -> None:
        raise NonRetryableError("never")

    run = await run_one(grouped)
    assert [(error["status"], error["error"]) for error in run.errors] == [(489, "NonRetryableError")]


async def test_steps_that_a_failing_task_group_drops_are_not_done() -> None:
    done: list[str] = []

    async def fails() -> None:
        raise ValueError("before any step")

    async def code(context: Context[None]) -> str:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(context.run("dropped", done.append, "dropped"))
                group.create_task(fails())
        except* ValueError:
            pass
        return await context.run("after", str, "after")

    run = await run_one(code)
    assert run.errors == []
    assert (run.result, run.names, done) == ('"after"', ["after"], [])


async def test_a_slow_middleware_does_not_change_which_steps_belong_together() -> None:
    class Slow(Middleware):
        async def after_execution(self, context: Context[Any], step: str, result: Any) -> None:
            for _ in range(30):
                await asyncio.sleep(0)

    async def branch(context: Context[None], name: str) -> str:
        return await context.run(f"{name}2", str, await context.run(f"{name}1", str, name))

    async def code(context: Context[None]) -> list[str]:
        return await asyncio.gather(branch(context, "a"), branch(context, "b"))

    run = await run_one(code, middlewares=[Slow()])
    assert run.errors == []
    assert run.result == '["a","b"]'


async def test_step_options_bound_the_tries_and_the_time() -> None:
    def fails() -> None:
        raise OSError("down")

    run = await run_with_retries(fails, 5, retries=1)
    assert [error["status"] for error in run.errors] == [500, 489]

    async def slow() -> None:
        await asyncio.Event().wait()

    run = await run_with_retries(slow, 0, timeout=0.01)
    assert run.errors[0]["error"] == "TimeoutError"
    assert "longer than its timeout of 0.01 s" in run.errors[0]["message"]


async def test_an_expected_error_is_recorded_and_raised_at_the_await() -> None:
    class Declined(Exception):
        pass

    def charge() -> None:
        raise Declined("no funds")

    async def code(context: Context[None]) -> list[str]:
        try:
            await context.step(raises=Declined).run("charge", charge)
        except StepFailed as error:
            return [error.step, error.error, error.message]
        return []

    run = await run_one(code)
    assert json.loads(run.result or "") == ["charge", "Declined", "no funds"]


# What a refusal means


@pytest.mark.parametrize("how", ["cancelled", "finished"])
async def test_when_the_run_has_ended_meanwhile_the_delivery_is_done(how: str) -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step)
    run = broker.trigger(URL)
    broker.refuse = lambda method, path: (400, f"can not append to a a {how} workflow")
    run.retries = 0
    await broker.drain()
    assert (run.state, run.errors, len(broker.deliveries)) == ("RUN_STARTED", [], 1)


@pytest.mark.parametrize(("status", "text"), [(412, "quota exceeded"), (400, "invalid header Upstash-Delay")])
async def test_what_the_broker_never_takes_ends_the_run_visibly(status: int, text: str) -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step)
    run = broker.trigger(URL)
    broker.refuse = lambda method, path: (status, text)
    await broker.drain()
    assert run.state == "RUN_FAILED"
    assert [(error["status"], text in error["message"]) for error in run.errors] == [(489, True)]


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_other_refusals_are_tried_again(status: int) -> None:
    broker = ScriptedBroker()
    serve_one(broker, one_step)
    run = broker.trigger(URL)
    run.retries = 1
    broker.refuse = lambda method, path: (status, "not now")
    await broker.drain()
    assert [error["status"] for error in run.errors] == [500, 500]


async def test_fetching_the_state_of_an_ended_run_is_no_error() -> None:
    broker = ScriptedBroker(lazy=True)
    serve_one(broker, one_step)
    run = broker.trigger(URL)
    broker.refuse = lambda method, path: (404, "not found") if method == "GET" else None
    await broker.drain()
    assert run.errors == []
    assert broker.api_calls == ["GET /v2/workflows/runs/wfr_test"]


async def test_a_refusal_that_the_users_code_meets_is_the_users() -> None:
    from ringback.errors import Refused

    def asks() -> None:
        raise Refused(400, "another service said no")

    async def code(context: Context[None]) -> None:
        await context.run("ask", asks)

    run = await run_one(code)
    assert run.errors[0]["status"] == 500


# What the log and the broker are told of an error


async def test_the_log_names_run_step_and_error_and_begins_where_the_code_is_the_users(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails() -> None:
        raise OSError("the bank\nis down")

    async def code(context: Context[None]) -> None:
        await context.run("charge", fails)

    run = await run_one(code)
    [record] = caplog.records
    assert record.getMessage() == f"{run.id}, step 'charge' failed: OSError: the bank is down"
    logged = record.exc_info[2] if record.exc_info else None
    assert logged
    assert logged.tb_frame.f_code.co_name == "fails"
    assert run.errors[0]["stack"].count("File ") == 1


async def test_an_error_of_the_sdk_is_told_in_the_log_by_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def code(context: Context[None]) -> None:
        await context.run("read", object)

    await run_one(code)
    [record] = caplog.records
    assert "cannot travel as JSON" in record.getMessage()
    assert record.exc_info is None


# Failure functions and middlewares


async def test_a_failure_function_sees_the_run_and_what_it_returns_is_logged() -> None:
    seen: list[Failure[Any]] = []

    def on_failure(failure: Failure[Any]) -> str:
        seen.append(failure)
        return "noted"

    async def fails(context: Context[dict[str, int]]) -> None:
        raise NonRetryableError("broken")

    broker = ScriptedBroker()
    serve_one(broker, fails, failure_function=on_failure)
    run = broker.trigger(URL, {"n": 1}, **{"upstash-forward-x-tenant": "acme"})
    await broker.drain()
    assert json.loads(run.failure_said.body) == {"result": "noted"}  # type: ignore[union-attr]
    (failure,) = seen
    assert (failure.status, failure.error, failure.message) == (489, "NonRetryableError", "broken")
    assert (failure.request_payload, failure.workflow_run_id, failure.dlq_id) == ({"n": 1}, run.id, "1-0")
    assert failure.facts.headers["X-Tenant"] == "acme"
    assert "fails" in failure.stack


async def test_without_a_failure_function_the_broker_is_told_so() -> None:
    async def fails(context: Context[None]) -> None:
        raise NonRetryableError("broken")

    run = await run_one(fails)
    assert run.failure_said is not None
    assert headers_of(run.failure_said)["upstash-workflow-failure-callback-notfound"] == "true"


async def test_middlewares_are_told_and_their_errors_harm_nothing() -> None:
    told: list[Any] = []

    class Told(Middleware):
        def run_started(self, context: Context[Any]) -> None:
            told.append("started")

        async def before_execution(self, context: Context[Any], step: str) -> None:
            told.append(("before", step))
            raise RuntimeError("a middleware is not the run")

        def after_execution(self, context: Context[Any], step: str, result: Any) -> None:
            told.append(("after", step, result))

        def run_completed(self, context: Context[Any], result: Any) -> None:
            told.append(("completed", result))

    run = await run_one(one_step, middlewares=[Told()])
    assert run.state == "RUN_SUCCESS"
    assert told == ["started", ("before", "only"), ("after", "only", "done"), ("completed", "done")]


async def test_middlewares_are_told_of_each_member_of_a_group_once() -> None:
    told: list[Any] = []

    class Told(Middleware):
        def after_execution(self, context: Context[Any], step: str, result: Any) -> None:
            told.append((step, result))

    async def three(context: Context[None]) -> None:
        await context.parallel(*(context.run(name, str.upper, name) for name in "abc"))

    run = await run_one(three, middlewares=[Told()])
    assert run.state == "RUN_SUCCESS"
    assert sorted(told) == [("a", "A"), ("b", "B"), ("c", "C")]


async def test_what_happens_can_be_logged_without_payloads_and_results(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ringback.workflow")
    await run_one(one_step, {"card": "4111"}, middlewares=[Logging()])
    assert [record.getMessage() for record in caplog.records] == [
        f"wfr_test started at {URL}",
        "wfr_test executes step 'only', try 1",
        "wfr_test has the result of step 'only'",
        "wfr_test returned",
    ]


async def test_middlewares_hear_of_failures() -> None:
    told: list[str] = []

    class Told(Middleware):
        def failed(self, run_id: str, error: BaseException) -> None:
            told.append(f"{run_id} {error}")

    async def fails(context: Context[None]) -> None:
        raise OSError("down")

    await run_one(fails, middlewares=[Told()])
    assert told == ["wfr_test down"]


# Attributes


async def test_the_context_knows_its_run() -> None:
    async def about(context: Context[Any]) -> list[Any]:
        return [
            context.workflow_run_id,
            context.workflow_run_created_at,
            list(context.labels),
            context.label,
            context.attempt,
            context.url,
            context.headers["X-Tenant"],
            "upstash-workflow-runid" in context.headers,
            context.env["PLACE"],
        ]

    broker = ScriptedBroker()
    serve_one(broker, about, env={"PLACE": "here"})
    run = broker.trigger(URL, **{"upstash-forward-x-tenant": "acme", "upstash-forward-upstash-label": "gold,eu"})
    await broker.drain()
    said = json.loads(run.result or "null")
    assert said == [run.id, 1795493627534, ["gold", "eu"], "gold", 0, URL, "acme", False, "here"]


# Heartbeats


async def test_a_long_step_can_say_that_it_is_alive() -> None:
    async def code(context: Context[None]) -> str:
        async def long() -> str:
            await context.heartbeat(0.4)
            return "done"

        return await context.run("long", long)

    broker = ScriptedBroker()
    serve_one(broker, code)
    run = broker.trigger(URL)
    await broker.drain()
    assert run.result == '"done"'
    assert broker.beats == [{"messageId": run.entries[0].id, "attempt": 0, "progress": 0.4}]


async def test_a_blocking_step_can_say_so_too() -> None:
    async def code(context: Context[None]) -> str:
        def long() -> str:
            context.heartbeat_from_thread("half way")
            return "done"

        return await context.run("long", long)

    def blocking_code(context: BlockingContext[None]) -> str:
        def long() -> str:
            context.heartbeat("half way")
            return context.workflow_run_id

        return context.run("long", long)

    for each, result in ((code, '"done"'), (blocking_code, '"wfr_test"')):
        broker = ScriptedBroker()
        serve_one(broker, each)
        run = broker.trigger(URL)
        await broker.drain()
        assert run.result == result
        assert [beat["progress"] for beat in broker.beats] == ["half way"]


async def test_code_that_would_end_the_process_ends_a_try() -> None:
    async def in_step(context: Context[None]) -> None:
        await context.run("exits", sys.exit, 3)

    async def between_steps(context: Context[None]) -> None:
        sys.exit("enough")

    def in_thread(context: BlockingContext[None]) -> None:
        sys.exit(4)

    for code, said in ((in_step, "step 'exits' called sys.exit(3)"), (between_steps, "'enough'"), (in_thread, "4")):
        run = await run_one(code)
        assert run.errors[0]["status"] == 500
        assert said in run.errors[0]["message"]


@pytest.mark.parametrize(("status", "state"), [(404, "RUN_SUCCESS"), (405, "RUN_SUCCESS"), (409, "RUN_FAILED")])
async def test_a_broker_without_heartbeats_is_no_error_and_an_outdated_try_is(status: int, state: str) -> None:
    async def code(context: Context[None]) -> str:
        async def long() -> str:
            await context.heartbeat()
            return "done"

        return await context.run("long", long)

    broker = ScriptedBroker()
    serve_one(broker, code)
    broker.refuse = lambda method, path: (status, "no") if path.endswith("heartbeat") else None
    run = broker.trigger(URL)
    await broker.drain()
    assert run.state == state
