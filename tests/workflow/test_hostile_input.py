"""Whatever comes in, the endpoint answers, in the protocol's words, and asks nothing of the broker that nobody asked for."""

import json
from base64 import b64encode
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.wire.http import Request
from ringback.wire.steps import parse_entries, parse_step
from ringback.workflow import Context, Failure
from ringback.workflow.definition import ServeOptions, as_workflow
from ringback.workflow.endpoint import Endpoint
from support.scripted_broker import ScriptedBroker
from workflow.one import URL

NAMES = [
    "callback",
    "concurrent",
    "createdat",
    "failure-callback",
    "invoke-count",
    "runid",
    "sdk-version",
    "stepid",
    "stepname",
    "unknown-sdk",
]
values = st.sampled_from(["1", "0", "true", "wfr_1", "-1", "²", "9" * 30, "", "a\x00b", "ü"]) | st.text(
    st.characters(max_codepoint=255), max_size=10
)
headers = st.dictionaries(
    st.sampled_from([f"upstash-workflow-{name}" for name in NAMES])
    | st.sampled_from(["upstash-message-id", "upstash-retried", "upstash-label", "ringback-accept-result"]),
    values,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["stepId", "stepName", "stepType", "out", "concurrent", "targetStep", "status", "body", "header"]
)
objects = st.dictionaries(fields, json_values, max_size=6)


def encoded(value: Any) -> str:
    return b64encode(json.dumps(value).encode()).decode()


entries = st.lists(
    st.fixed_dictionaries(
        {"messageId": st.sampled_from(["m1", "m2"]), "body": objects.map(encoded) | st.text(max_size=8)},
        optional={"callType": st.sampled_from(["step", "toCallback"]) | json_values},
    ),
    max_size=4,
)
bodies = st.binary(max_size=30) | (objects | entries | json_values).map(lambda value: json.dumps(value).encode())


async def code(context: Context[Any]) -> int:
    one, two = await context.parallel(context.run("a", int, 1), context.run("b", int, 2))
    return one + two


def on_failure(failure: Failure[Any]) -> str:
    return failure.message


@settings(max_examples=300)
@given(sent=headers, body=bodies, method=st.sampled_from(["POST", "POST", "POST", "GET"]))
async def test_every_request_gets_an_answer(sent: dict[str, str], body: bytes, method: str) -> None:
    broker = ScriptedBroker()
    options = ServeOptions(transport=broker.transport, signing_keys=(), failure_function=on_failure)
    endpoint = Endpoint(as_workflow(code, options))
    response = await endpoint.answer(Request(method, "/wf/one", list(sent.items()), body), URL)
    await endpoint.close()
    assert response.status in (200, 405, 489, 500)
    assert ("Upstash-Workflow-Sdk-Version", "1") in response.headers
    assert isinstance(json.loads(response.body), dict)
    for name, value in response.headers:
        assert "\n" not in name + value
        (name + value).encode("latin-1")
    assert len(broker.api_calls) <= 1


@given(st.binary(max_size=60) | bodies)
def test_readers_of_entries_and_steps_fail_in_one_way_only(body: bytes) -> None:
    for read in (parse_step, parse_entries):
        try:
            read(body)
        except ValueError:
            continue
