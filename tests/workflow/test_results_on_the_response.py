"""Between two ends that both know it, results ride on the response: half the requests, and nothing else changes."""

from typing import Any

from ringback.workflow import Context
from support.scripted_broker import ScriptedBroker
from workflow.one import URL, serve_one


async def four_steps(context: Context[None]) -> int:
    total = 0
    for number in range(4):
        total += await context.run(f"step {number}", int, number)
    return total


async def requests_of(broker: ScriptedBroker, function: Any) -> tuple[int, int]:
    """Return how many requests the endpoint got, and how many it made."""
    serve_one(broker, function)
    run = broker.trigger(URL)
    await broker.drain()
    assert run.state == "RUN_SUCCESS"
    return len(broker.deliveries), len(broker.api_calls)


async def test_a_run_of_four_steps_makes_no_request_of_its_own() -> None:
    assert await requests_of(ScriptedBroker(), four_steps) == (5, 5)
    assert await requests_of(ScriptedBroker(takes_results=True), four_steps) == (5, 0)


async def test_what_only_a_call_can_say_is_still_said_by_a_call() -> None:
    async def waits(context: Context[None]) -> bool:
        event = await context.wait_for_event("wait", "never", timeout="1s")
        return event.timed_out

    broker = ScriptedBroker(takes_results=True)
    assert await requests_of(broker, waits) == (2, 1)
    assert broker.api_calls == ["POST /v2/wait/never"]


async def test_without_the_offer_the_answer_carries_no_result() -> None:
    broker = ScriptedBroker()
    serve_one(broker, four_steps)
    response = await broker.post(
        URL,
        b'[{"messageId":"m","body":"","callType":"step"}]',
        upstash_workflow_sdk_version="1",
        upstash_workflow_runid=broker.trigger(URL).id,
    )
    assert "ringback-result" not in {name.lower() for name, _ in response.headers}
    assert b"submit" not in response.body


async def test_a_result_that_is_too_large_for_an_answer_is_sent_by_a_call() -> None:
    async def large(context: Context[None]) -> int:
        text = await context.run("large", lambda: "x" * 600_000)
        return len(text)

    broker = ScriptedBroker(takes_results=True)
    assert await requests_of(broker, large) == (2, 1)
    assert broker.api_calls == ["POST /v2/batch"]
