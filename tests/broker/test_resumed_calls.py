"""Third-party calls of runs that failed and are resumed: what was answered is not asked, or paid, again."""

import asyncio
import json
from collections.abc import Callable

import pytest

from ringback.wire.http import Outbound, Outcome
from support.inprocess import InProcess, until
from support.runs import BOTH, URL, batch, begin, entries, init, log, step

VENDOR = "https://vendor.example/jobs"
STOP = [*BOTH, ("Upstash-NonRetryable-Error", "true")]


def call(run_id: str = "wfr_1", number: int = 1) -> dict[str, object]:
    headers = init(run_id) | {"Upstash-Workflow-Init": "false", "Upstash-Workflow-CallType": "toCallback"}
    headers |= {"Upstash-Callback": URL, "Upstash-Callback-Workflow-RunId": run_id}
    headers |= {"Upstash-Callback-Forward-Upstash-Workflow-StepId": str(number)}
    headers |= {"Upstash-Callback-Forward-Upstash-Workflow-Callback": "true", "Upstash-Retries": "0"}
    return {"destination": VENDOR, "headers": headers, "body": "pay"}


def answering(answer_of: Callable[[Outbound], tuple[int, bytes]]) -> Callable[[Outbound], Outcome]:
    def respond(sent: Outbound) -> Outcome:
        status, body = answer_of(sent)
        return Outcome(status, list(STOP if status == 489 else BOTH), body)

    return respond


def tells(sent: Outbound) -> bool:
    return ("Upstash-Workflow-Callback", "true") in sent.headers


async def resume(ringed: InProcess, run_id: str = "wfr_1", **headers: str) -> str:
    letter = (await log(ringed, run_id))["dlqId"]
    answer = await ringed.call("POST", f"/v2/workflows/dlq/resume/{letter}", **headers)
    assert answer.status == 200, answer
    await ringed.settle()
    return str(answer.json["workflowRunId"])


async def test_a_call_whose_answer_could_not_be_told_is_told_again_and_not_made_again(ringed: InProcess) -> None:
    ringed.respond = answering(lambda sent: (489, b"{}") if tells(sent) else (200, b"paid 7"))
    await begin(ringed, Upstash_Forward_X_Tenant="acme")
    await batch(ringed, call())
    await ringed.settle()
    run = "wfr_1"
    for _ in range(2):  # the answer is not lost on the way either
        run = await resume(ringed, run, upstash_retries="7")
        assert (await log(ringed, run))["workflowState"] == "RUN_FAILED"
    ringed.respond = answering(lambda _: (200, b"{}"))
    before = len(ringed.sent)
    run = await resume(ringed, run)
    (told,) = ringed.sent[before:]
    assert [sent.url for sent in ringed.sent].count(VENDOR) == 1
    assert {
        ("Upstash-Workflow-RunId", run),
        ("Upstash-Workflow-CallType", "fromCallback"),
        ("Upstash-Workflow-Stepid", "1"),
        ("Upstash-Retried", "0"),
        ("X-Tenant", "acme"),
    } <= set(told.headers)
    assert json.loads(told.body)["body"] == "cGFpZCA3"
    await batch(ringed, step(1, run, stepType="Call"))
    await ringed.settle()
    assert [one["callType"] for one in entries(ringed, -1)] == ["step", "toCallback", "fromCallback", "step"]
    shown = (await log(ringed, run))["steps"][1]["steps"][0]
    assert (shown["state"], shown["callUrl"], shown["callBody"]) == ("STEP_SUCCESS", VENDOR, "pay")
    assert (shown["callResponseStatus"], shown["callResponseBody"]) == (200, "paid 7")


async def test_in_a_group_what_was_answered_is_told_and_what_was_not_done_is_done(ringed: InProcess) -> None:
    ringed.respond = answering(lambda sent: (489, b"{}") if tells(sent) else (200, b"{}"))
    await begin(ringed)
    await batch(ringed, step(0, target=1), step(0, target=2))
    await ringed.broker.dispatcher.idle()
    await batch(ringed, call())
    await ringed.settle()
    ringed.respond = answering(lambda _: (200, b"{}"))
    before = len(ringed.sent)
    await resume(ringed)
    told, other = sorted(ringed.sent[before:], key=tells, reverse=True)
    assert (tells(told), tells(other), told.url, other.url) == (True, False, URL, URL)
    assert dict(other.headers)["Upstash-Workflow-CallType"] == "step"
    assert len(json.loads(other.body)) == 3


@pytest.mark.parametrize(("status", "calls"), [(200, 1), (500, 2)])
async def test_an_answer_that_comes_when_its_run_has_failed_is_kept_for_who_resumes_it(
    ringed: InProcess, status: int, calls: int
) -> None:
    ringed.respond = answering(lambda _: (200, b"{}"))
    await begin(ringed)
    await batch(ringed, step(0, target=1), step(0, target=2))
    await ringed.settle()
    ringed.respond = answering(lambda sent: (status, b"paid 7") if sent.url == VENDOR else (489, b"{}"))
    ringed.held = asyncio.Event()
    for at, item in enumerate((step(2), call()), 1):  # what is sent first is answered first
        await batch(ringed, item)
        await until(lambda: ringed.in_flight == at)  # noqa: B023
    ringed.held.set()
    ringed.held = None
    await ringed.settle()
    assert (await log(ringed))["workflowState"] == "RUN_FAILED"
    ringed.respond = answering(lambda _: (200, b"{}"))
    before = len(ringed.sent)
    run = await resume(ringed)
    told = [sent for sent in ringed.sent[before:] if tells(sent)]
    if status == 200:
        assert json.loads(told[0].body)["body"] == "cGFpZCA3"
    else:
        await batch(ringed, call(run))  # its planned step was delivered again
        await ringed.settle()
    assert [sent.url for sent in ringed.sent].count(VENDOR) == calls
