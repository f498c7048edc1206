"""Steps in the exact form in which the official SDK sends them, and its texts with characters of any kind."""

import json
from base64 import b64encode
from typing import Any

import pytest

from ringback.client.messages import RunRef
from ringback.wire.steps import Step, StepType
from ringback.workflow import Context, Failure
from ringback.workflow.effects import call_result, start_step
from ringback.workflow.facts import Facts
from ringback.workflow.steps import Wait, read_event, read_response
from support.scripted_broker import ScriptedBroker
from workflow.one import URL, run_one, serve_one

RUN = RunRef("wfr_1", URL)


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def steps_of(run: Any) -> list[dict[str, Any]]:
    return [json.loads(entry.body) for entry in run.entries[1:] if entry.call_type == "step"]


async def test_the_plan_of_a_call_does_not_tell_what_it_will_send() -> None:
    async def two_calls(context: Context[str]) -> None:
        one = context.call("one", url="https://vendor.test/", headers={"Authorization": "Bearer secret"})
        await context.parallel(one, context.call("two", url="https://vendor.test/"))

    broker = ScriptedBroker()
    broker.vendor = lambda url, headers, body: (200, "{}")
    serve_one(broker, two_calls)
    run = broker.trigger(URL)
    await broker.drain()
    plan = steps_of(run)[0]
    assert plan == {"stepId": 0, "stepName": "one", "stepType": "Call", "concurrent": 2, "targetStep": 1}


async def test_the_answer_of_a_call_is_published_to_the_workflow() -> None:
    effect = call_result(RUN, 2, "ask", 1, {"status": 200, "text": "{}", "header": {}})
    assert effect is not None
    assert effect.call is not None
    call = effect.call()
    assert (call.method, call.path) == ("POST", f"/v2/publish/{URL}")
    assert json.loads(call.body)["stepType"] == "Call"


async def test_a_wait_names_no_method() -> None:
    asked = Wait(name="wait", type=StepType.WAIT, read=read_event, event_id="e", timeout="5s")
    effect = start_step(Facts(RUN), asked, 1, 1)
    assert effect.call is not None
    call = effect.call()
    assert "Upstash-Method" not in call.headers
    assert "Upstash-Method" not in json.loads(call.body)["timeoutHeaders"]


@pytest.mark.parametrize(
    ("data", "sent", "back"),
    [({"a": 1}, {"a": 1}, {"a": 1}), ("text", "text", "text"), (5, 5, 5), ("5", "5", 5), (b"raw", "raw", "raw")],
)
async def test_what_was_told_with_an_event_is_in_the_result_as_it_is(data: object, sent: object, back: object) -> None:
    async def tells(context: Context[None]) -> Any:
        return (await context.notify("tell", "event", data)).data

    run = await run_one(tells)
    assert json.loads(steps_of(run)[0]["out"])["eventData"] == sent
    assert json.loads(run.result or "") == back


async def test_an_event_without_data_has_none_in_its_result() -> None:
    async def tells(context: Context[None]) -> Any:
        return (await context.notify("tell", "event")).data

    run = await run_one(tells)
    assert json.loads(steps_of(run)[0]["out"]) == {"eventId": "event", "notifyResponse": []}
    assert run.result in (None, "null")


async def test_a_failure_whose_answer_has_headers_of_any_characters_reaches_its_function() -> None:
    seen: list[str] = []

    async def fails(context: Context[None]) -> None:
        await context.run("böom ☃", lambda: 1 / 0)

    def on_failure(failure: Failure[None]) -> None:
        seen.append(failure.headers["upstash-error-step-name"])

    broker = ScriptedBroker()
    serve_one(broker, fails, failure_function=on_failure)
    said = {"status": 500, "header": {"Upstash-Error-Step-Name": ["böom ☃"]}, "body": b64("{}"), "sourceBody": ""}
    known = {"upstash_workflow_failure_callback": "true", "upstash_workflow_runid": "wfr_1"}
    response = await broker.post(URL, json.dumps(said).encode(), **known)
    assert (response.status, seen) == (200, ["böom ☃"])


async def test_a_call_whose_answer_has_headers_of_any_characters_is_read() -> None:
    out = json.dumps({"status": 200, "body": "", "header": {"X-Name": ["Zoë ☃"], "X-Two": ["a", "b"]}})
    result = {"stepId": 1, "stepName": "ask", "stepType": "Call", "concurrent": 1, "out": out}
    entries = [
        {"messageId": f"m{at}", "body": b64(text), "callType": "step"}
        for at, text in enumerate(("", json.dumps(result)))
    ]
    seen: list[list[str]] = []

    async def asks(context: Context[None]) -> None:
        response = await context.call("ask", url="https://vendor.test/")
        seen.append([response.headers["x-name"], response.headers["x-two"]])

    broker = ScriptedBroker()
    serve_one(broker, asks)
    run = broker.trigger(URL)
    known = {"upstash_workflow_sdk_version": "1", "upstash_workflow_runid": run.id}
    response = await broker.post(URL, json.dumps(entries).encode(), **known)
    assert (response.status, seen) == (200, [["Zoë ☃", "a, b"]])


async def test_a_failure_is_known_by_either_of_its_marks() -> None:
    async def fails(context: Context[None]) -> None:
        await context.run("x", lambda: 1)

    broker = ScriptedBroker()
    serve_one(broker, fails, failure_function=lambda failure: failure.message)
    body = json.dumps({"status": 500, "header": {}, "body": b64('{"message":"no"}'), "sourceBody": ""}).encode()
    response = await broker.post(URL, body, upstash_workflow_is_failure="true", upstash_workflow_runid="wfr_1")
    assert json.loads(response.body) == {"result": "no"}
    assert broker.runs == {}


async def test_a_call_keeps_the_bytes_of_what_is_no_text() -> None:
    image = bytes(range(256))
    out = json.dumps({"status": 200, "body": image.decode("latin-1"), "header": {}})
    answer = read_response(Step(1, "get", StepType.CALL, out, 1))
    assert (answer.content, answer.body) == (image, image.decode("latin-1"))
    text = json.dumps({"status": 200, "body": '{"a":"ü"}'.encode().decode("latin-1"), "header": {}})
    answer = read_response(Step(1, "get", StepType.CALL, text, 1))
    assert (answer.content, answer.body) == ('{"a":"ü"}'.encode(), {"a": "ü"})
